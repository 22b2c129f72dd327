alter table categories drop constraint categories_parent_id_fkey;
alter table categories add foreign key (parent_id) references categories on delete set null;
