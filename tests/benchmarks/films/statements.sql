-- Joins of 3 to 10 tables in the manner of JOB: what is kept of Leis et al., PVLDB 9(3), 2015, is the shape, a star of
-- many-to-many tables around titles with filters that depend on each other. Each below its calls and its name.

-- 1 companies_1
select min(c.name), min(f.title), min(f.year) from film f join film_company fc on fc.film_id = f.id join company c
on c.id = fc.company_id join company_role cr on cr.id = fc.company_role_id join film_rating r on r.film_id = f.id
join info_kind rk on rk.id = r.info_kind_id where cr.name = 'production' and rk.name = 'top rank' and fc.note like
'%(co-production)%' and f.year > 2010;

-- 1 companies_2
select min(c.name), min(f.title), min(f.year) from film f join film_company fc on fc.film_id = f.id join company c
on c.id = fc.company_id join company_role cr on cr.id = fc.company_role_id join film_rating r on r.film_id = f.id
join info_kind rk on rk.id = r.info_kind_id where cr.name = 'production' and rk.name = 'votes' and fc.note not like
'%(TV)%' and f.year between 1990 and 1995;

-- 1 companies_3
select min(c.name), min(f.title), min(f.year) from film f join film_company fc on fc.film_id = f.id join company c
on c.id = fc.company_id join company_role cr on cr.id = fc.company_role_id join film_rating r on r.film_id = f.id
join info_kind rk on rk.id = r.info_kind_id where cr.name = 'distribution' and rk.name = 'rating' and r.info > '9'
and c.country = '[de]';

-- 1 words_1
select min(f.title) from film f join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id
join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where c.country = '[de]' and w.word =
'based-on-comic';

-- 1 words_2
select min(f.title) from film f join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id
join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where c.country = '[us]' and w.word = 'love';

-- 1 words_3
select min(f.title) from film f join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id
join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where c.country = '[jp]' and w.word in
('murder', 'hero');

-- 1 sequels_1
select min(f.title) from film f join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join
film_info i on i.film_id = f.id join info_kind ik on ik.id = i.info_kind_id where w.word like '%sequel%' and i.info
in ('Germany', 'Japan', 'German') and f.year > 2015;

-- 1 sequels_2
select min(f.title) from film f join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join
film_info i on i.film_id = f.id join info_kind ik on ik.id = i.info_kind_id where w.word = 'marvel' and ik.name =
'genre' and i.info = 'Action' and f.year > 2000;

-- 1 sequels_3
select min(f.title) from film f join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join
film_info i on i.film_id = f.id join info_kind ik on ik.id = i.info_kind_id where w.word = 'sequel' and i.info in
('USA', 'English') and f.year > 1990;

-- 1 sequels_4
select min(f.title) from film f join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join
film_info i on i.film_id = f.id join info_kind ik on ik.id = i.info_kind_id where w.word = 'murder' and ik.name =
'country' and i.info = 'India' and f.year < 1980;

-- 1 rated_words_1
select min(r.info), min(f.title) from film f join film_rating r on r.film_id = f.id join info_kind rk on rk.id =
r.info_kind_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where rk.name = 'rating' and
w.word like '%sequel%' and r.info > '8.0' and f.year > 2010;

-- 1 rated_words_2
select min(r.info), min(f.title) from film f join film_rating r on r.film_id = f.id join info_kind rk on rk.id =
r.info_kind_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where rk.name = 'rating' and
w.word = 'hero' and r.info > '9.5' and f.year > 2018;

-- 1 rated_words_3
select min(r.info), min(f.title) from film f join film_rating r on r.film_id = f.id join info_kind rk on rk.id =
r.info_kind_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where rk.name = 'votes' and
w.word = 'marvel' and f.year > 1990;

-- 1 casting_1
select min(w.word), min(p.name), min(f.title) from film f join film_word fw on fw.film_id = f.id join word w on w.id
= fw.word_id join cast_member m on m.film_id = f.id join person p on p.id = m.person_id where w.word = 'marvel' and
p.name like '%Tim' and f.year > 2010;

-- 1 casting_2
select min(w.word), min(p.name), min(f.title) from film f join film_word fw on fw.film_id = f.id join word w on w.id
= fw.word_id join cast_member m on m.film_id = f.id join person p on p.id = m.person_id where w.word in
('based-on-comic', 'marvel', 'hero') and p.name like 'A%Bob' and f.year > 2014;

-- 1 casting_3
select min(w.word), min(p.name), min(f.title) from film f join film_word fw on fw.film_id = f.id join word w on w.id
= fw.word_id join cast_member m on m.film_id = f.id join person p on p.id = m.person_id where w.word = 'love' and
p.name like 'Abc%' and f.year > 2000;

-- 1 casting_4
select min(w.word), min(p.name), min(f.title) from film f join film_word fw on fw.film_id = f.id join word w on w.id
= fw.word_id join cast_member m on m.film_id = f.id join person p on p.id = m.person_id where w.word = 'murder' and
p.born > 1990;

-- 1 voices_1
select min(p.name), min(f.title) from film f join cast_member m on m.film_id = f.id join person p on p.id =
m.person_id join job j on j.id = m.job_id join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id where m.note = '(voice)' and c.country = '[jp]' and j.name = 'actress' and p.name like '%Eva';

-- 1 voices_2
select min(p.name), min(f.title) from film f join cast_member m on m.film_id = f.id join person p on p.id =
m.person_id join job j on j.id = m.job_id join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id where m.note in ('(voice)', '(uncredited)') and c.country = '[us]' and j.name = 'actor' and f.year
between 2007 and 2008;

-- 1 voices_3
select min(p.name), min(f.title) from film f join cast_member m on m.film_id = f.id join person p on p.id =
m.person_id join job j on j.id = m.job_id join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id where m.note = '(producer)' and j.name = 'producer' and c.name like 'Warner%' and f.year > 2015;

-- 1 alias_1
select min(o.name), min(p.name) from film f join cast_member m on m.film_id = f.id join other_name o on o.person_id
= m.person_id join person p on p.id = m.person_id where p.name like 'B%' and p.gender = 'm' and f.year between 1980
and 1995 and m.note = '(uncredited)';

-- 1 alias_2
select min(o.name), min(p.name) from film f join cast_member m on m.film_id = f.id join other_name o on o.person_id
= m.person_id join person p on p.id = m.person_id where p.gender = 'f' and o.name like 'Also a1%' and f.year > 2010;

-- 1 alias_3
select min(o.name), min(p.name) from film f join cast_member m on m.film_id = f.id join other_name o on o.person_id
= m.person_id join person p on p.id = m.person_id where o.name like '%0f%' and m.note = '(voice)' and f.kind_id = 3;

-- 1 parts_1
select min(t.name), min(f.title) from film f join cast_member m on m.film_id = f.id join part t on t.id = m.part_id
join person p on p.id = m.person_id join job j on j.id = m.job_id where t.name = 'Queen' and j.name = 'actress' and
f.year > 2015;

-- 1 parts_2
select min(t.name), min(f.title) from film f join cast_member m on m.film_id = f.id join part t on t.id = m.part_id
join person p on p.id = m.person_id join job j on j.id = m.job_id where t.name like 'Part 5%9' and m.note =
'(voice)' and p.gender = 'f';

-- 1 parts_3
select min(t.name), min(f.title) from film f join cast_member m on m.film_id = f.id join part t on t.id = m.part_id
join person p on p.id = m.person_id join job j on j.id = m.job_id where t.name = 'Queen' and p.name like '%Kim';

-- 1 genres_1
select min(f.title), min(i.info) from film f join film_info i on i.film_id = f.id join info_kind ik on ik.id =
i.info_kind_id join kind k on k.id = f.kind_id join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id where k.name = 'movie' and ik.name = 'genre' and i.info = 'War' and c.country <> '[us]' and f.year
between 2000 and 2003;

-- 1 genres_2
select min(f.title), min(i.info) from film f join film_info i on i.film_id = f.id join info_kind ik on ik.id =
i.info_kind_id join kind k on k.id = f.kind_id join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id where k.name = 'episode' and ik.name = 'language' and i.info = 'Japanese' and c.name like 'Studio%';

-- 1 genres_3
select min(f.title), min(i.info) from film f join film_info i on i.film_id = f.id join info_kind ik on ik.id =
i.info_kind_id join kind k on k.id = f.kind_id join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id where k.name = 'game' and i.note = 'internet' and f.year > 1990;

-- 1 released_1
select min(i.info), min(r.info), min(f.title) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join kind
k on k.id = f.kind_id where k.name = 'movie' and ik.name = 'released' and i.info like 'USA:20%' and rk.name =
'rating' and r.info > '9';

-- 1 released_2
select min(i.info), min(r.info), min(f.title) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join kind
k on k.id = f.kind_id where k.name = 'tv movie' and i.note = 'internet' and rk.name = 'votes' and f.year > 2012;

-- 1 released_3
select min(i.info), min(r.info), min(f.title) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join kind
k on k.id = f.kind_id where k.name in ('movie', 'video') and ik.name = 'country' and i.info = 'Japan' and rk.name =
'top rank' and r.info = '10';

-- 1 titles_1
select min(f.title), min(c.name) from film f join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join kind k on k.id =
f.kind_id where f.title like '%Champion%' and c.country = '[us]';

-- 1 titles_2
select min(f.title), min(c.name) from film f join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join kind k on k.id =
f.kind_id where f.title = 'The Eccbc87e4b5ce2fe28308fd9f2a7baf3' and k.name = 'episode';

-- 1 titles_3
select min(f.title), min(c.name) from film f join film_company fc on fc.film_id = f.id join company c on c.id =
fc.company_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join kind k on k.id =
f.kind_id where f.title like 'The A%' and w.word = 'hero' and k.name = 'movie';

-- 1 wide_1
select min(f.title), min(c.name), min(i.info) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join
film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id join company_role cr on cr.id =
fc.company_role_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join kind k on k.id =
f.kind_id where k.name = 'movie' and w.word = 'murder' and ik.name = 'country' and i.info in ('Germany', 'UK') and
rk.name = 'rating' and r.info < '8.5' and f.year > 2000;

-- 1 wide_2
select min(f.title), min(c.name), min(i.info) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join
film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id join company_role cr on cr.id =
fc.company_role_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join kind k on k.id =
f.kind_id where k.name in ('movie', 'episode') and w.word in ('murder', 'hero', 'love') and fc.note like '%(USA)%'
and i.info = 'Germany' and rk.name = 'rating' and r.info > '6.5' and f.year > 2008;

-- 1 wide_3
select min(f.title), min(c.name), min(i.info) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join
film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id join company_role cr on cr.id =
fc.company_role_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join kind k on k.id =
f.kind_id where cr.name = 'distribution' and w.word = 'based-on-comic' and ik.name = 'genre' and rk.name = 'votes';

-- 1 wide_4
select min(f.title), min(c.name), min(i.info) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join
film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id join company_role cr on cr.id =
fc.company_role_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id join kind k on k.id =
f.kind_id where c.country = '[fr]' and w.word = 'sequel' and ik.name = 'budget' and rk.name = 'rating' and f.year >
1950;

-- 1 everything_1
select min(f.title), min(p.name), min(t.name) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join
cast_member m on m.film_id = f.id join person p on p.id = m.person_id join part t on t.id = m.part_id join job j on
j.id = m.job_id join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id join film_word fw
on fw.film_id = f.id join word w on w.id = fw.word_id where w.word = 'hero' and m.note = '(voice)' and j.name =
'actor' and ik.name = 'genre' and rk.name = 'votes' and p.gender = 'm';

-- 1 everything_2
select min(f.title), min(p.name), min(t.name) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join
cast_member m on m.film_id = f.id join person p on p.id = m.person_id join part t on t.id = m.part_id join job j on
j.id = m.job_id join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id join film_word fw
on fw.film_id = f.id join word w on w.id = fw.word_id where w.word = 'marvel' and ik.name = 'released' and i.info
like 'USA:201%' and rk.name = 'rating' and r.info > '7' and c.country = '[us]';

-- 1 everything_3
select min(f.title), min(p.name), min(t.name) from film f join film_info i on i.film_id = f.id join info_kind ik on
ik.id = i.info_kind_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id = r.info_kind_id join
cast_member m on m.film_id = f.id join person p on p.id = m.person_id join part t on t.id = m.part_id join job j on
j.id = m.job_id join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id join film_word fw
on fw.film_id = f.id join word w on w.id = fw.word_id where t.name = 'Queen' and c.country = '[gb]' and ik.name =
'country' and i.info = 'USA' and rk.name = 'rating';

-- 1 crew_1
select min(p.name), min(f.title) from film f join cast_member m on m.film_id = f.id join person p on p.id =
m.person_id join job j on j.id = m.job_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id =
r.info_kind_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where j.name in ('writer',
'director') and w.word = 'murder' and rk.name = 'votes' and p.gender = 'm' and f.year > 2010;

-- 1 crew_2
select min(p.name), min(f.title) from film f join cast_member m on m.film_id = f.id join person p on p.id =
m.person_id join job j on j.id = m.job_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id =
r.info_kind_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where j.name = 'composer' and
rk.name = 'rating' and r.info > '9.8' and p.name like '%Zed';

-- 1 crew_3
select min(p.name), min(f.title) from film f join cast_member m on m.film_id = f.id join person p on p.id =
m.person_id join job j on j.id = m.job_id join film_rating r on r.film_id = f.id join info_kind rk on rk.id =
r.info_kind_id join film_word fw on fw.film_id = f.id join word w on w.id = fw.word_id where m.place = 1 and j.name
= 'guest' and w.word = 'love' and rk.name = 'top rank';

-- 1 one_person_1
select min(f.title), count(*) from film f join cast_member m on m.film_id = f.id join person p on p.id = m.person_id
join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id where p.id = 77 and c.country =
'[us]';

-- 1 one_person_2
select min(f.title), count(*) from film f join cast_member m on m.film_id = f.id join person p on p.id = m.person_id
join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id where p.name =
'Eccbc87e4b5ce2fe28308fd9f2a7baf3, Eva';

-- 1 one_person_3
select min(f.title), count(*) from film f join cast_member m on m.film_id = f.id join person p on p.id = m.person_id
join film_company fc on fc.film_id = f.id join company c on c.id = fc.company_id where p.name like 'Ffe%Ann' and
m.job_id = 5;
