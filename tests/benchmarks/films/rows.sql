-- Few films have most of everything (power); genres and countries depend on kind and year; half of the notes are NULL.
insert into kind select n, (array['movie','series','episode','video','short','game','tv movie'])[n] from generate_series(1, 7) n;
insert into info_kind select n, case n when 1 then 'genre' when 2 then 'country' when 3 then 'language' when 4 then 'released'
  when 5 then 'budget' when 99 then 'votes' when 100 then 'rating' when 101 then 'top rank' else 'kind ' || n end
  from generate_series(1, 110) n;
insert into job select n, (array['actor','actress','producer','writer','director','editor','composer','camera','design','other','guest','crew'])[n]
  from generate_series(1, 12) n;
insert into company_role select n, (array['production','distribution','effects','other'])[n] from generate_series(1, 4) n;
insert into film select n, (array['The ','A ','','',''])[1 + n % 5] || initcap(md5(n::text)) || case when n % 900 = 0 then ' Champion' else '' end,
  (array[1,1,3,3,3,2,4,5,7])[1 + (8 * random())::int],
  case when random() < 0.95 then 2020 - (90 * power(random(), 2.5))::int end,
  case when n % 4 = 0 then (n % 12) + 1 end, case when n % 4 = 0 then n % 24 end from generate_series(1, $films) n;
insert into person select n, initcap(md5(n::text)) || ', ' || (array['Ann','Bob','Tim','Eva','Zed','Kim'])[1 + n % 6],
  case when random() < 0.6 then (array['m','m','f'])[1 + (2 * random())::int] end,
  case when random() < 0.3 then 1900 + (random() * 100)::int end from generate_series(1, $people) n;
insert into part select n, case when n % 300 = 0 then 'Queen' else 'Part ' || n end from generate_series(1, $parts) n;
insert into company select n, (array['Universal ','Warner ','','','Studio ','Film '])[1 + n % 6] || md5(n::text),
  (array['[us]','[us]','[gb]','[de]','[fr]','[jp]','[in]'])[1 + (6 * power(random(), 2))::int] from generate_series(1, $companies) n;
insert into word select n, case n when 7 then 'sequel' when 40 then 'murder' when 3 then 'love' when 90 then 'hero'
  when 700 then 'marvel' when 2000 then 'based-on-comic' else 'word-' || n end from generate_series(1, $words) n;
insert into other_name select n, 1 + ($people * power(random(), 2))::int % $people, 'Also ' || md5(n::text) from generate_series(1, $people / 4) n;
insert into cast_member select n, 1 + ($films * power(random(), 2))::int % $films, 1 + ($people * power(random(), 3))::int % $people,
  case when random() < 0.5 then 1 + ($parts * power(random(), 2))::int % $parts end,
  case when random() < 0.06 then '(voice)' when random() < 0.05 then '(producer)' when random() < 0.04 then '(uncredited)' end,
  case when random() < 0.4 then (random() * 60)::int end, 1 + (11 * power(random(), 2))::int from generate_series(1, $cast) n;
insert into film_info select n, f.id, k, case k
    when 1 then (array['Drama','Comedy','Short','Thriller','Horror','Action','War'])[1 + (f.kind_id + (4 * power(random(), 2))::int) % 7]
    when 2 then (array['USA','USA','USA','Germany','UK','France','Japan','India'])[1 + (7 * power(random(), 1.0 + f.kind_id % 3))::int]
    when 3 then (array['English','English','German','French','Japanese'])[1 + (4 * power(random(), 2))::int]
    when 4 then 'USA:' || coalesce(f.year, 1990) || '-' || 1 + n % 12 when 5 then '$$' || (random() * 1e8)::int else md5(n::text) end,
  case when random() < 0.1 then 'internet' end
  from (select n, 1 + ($films * power(random(), 1.5))::int % $films as film,
        case when random() < 0.7 then 1 + (4 * random())::int else 6 + (80 * power(random(), 2))::int end as k
        from generate_series(1, $infos) n) s join film f on f.id = s.film;
insert into film_rating select n, 1 + n / 3, 99 + n % 3, case n % 3 when 0 then (10 + 1e5 * power(random(), 6))::int::text
  when 1 then round((1 + 9 * power(random(), 0.7))::numeric, 1)::text else (n % 250)::text end from generate_series(1, $films) n;
insert into film_company select n, 1 + ($films * power(random(), 1.5))::int % $films, 1 + ($companies * power(random(), 4))::int % $companies,
  1 + (3 * power(random(), 2))::int, case when random() < 0.5 then (array['(USA)','(worldwide)','(TV)','(DVD)','(VHS)','(co-production)'])[1 + n % 6]
  || case when n % 5 = 0 then ' (presents)' else '' end end from generate_series(1, $film_companies) n;
insert into film_word select n, 1 + ($films * power(random(), 2))::int % $films, 1 + ($words * power(random(), 3))::int % $words
  from generate_series(1, $film_words) n;
