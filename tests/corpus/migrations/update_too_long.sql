UPDATE accounts SET nickname = nickname || nickname WHERE nickname IS NOT NULL;
