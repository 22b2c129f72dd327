-- Films, people and companies, with keys only.
create table kind (id int primary key, name text not null);
create table info_kind (id int primary key, name text not null);
create table job (id int primary key, name text not null);
create table company_role (id int primary key, name text not null);
create table film (id int primary key, title text not null, kind_id int not null, year int, season int, episode int);
create table person (id int primary key, name text not null, gender char(1), born int);
create table part (id int primary key, name text not null);
create table company (id int primary key, name text not null, country text);
create table word (id int primary key, word text not null);
create table other_name (id int primary key, person_id int not null, name text not null);
create table cast_member (id int primary key, film_id int not null, person_id int not null, part_id int,
  note text, place int, job_id int not null);
create table film_info (id int primary key, film_id int not null, info_kind_id int not null, info text not null, note text);
create table film_rating (id int primary key, film_id int not null, info_kind_id int not null, info text not null);
create table film_company (id int primary key, film_id int not null, company_id int not null,
  company_role_id int not null, note text);
create table film_word (id int primary key, film_id int not null, word_id int not null);
