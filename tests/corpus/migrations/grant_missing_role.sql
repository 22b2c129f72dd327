GRANT SELECT ON orders TO reporting_team;
