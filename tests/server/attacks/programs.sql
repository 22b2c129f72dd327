-- Programs on the server's machine.
COPY c TO PROGRAM 'touch {canary}/program';
COPY c FROM PROGRAM 'touch {canary}/program; echo 1';
COPY (SELECT 1) TO PROGRAM 'sh -c "id > {canary}/program"';
DO $$ BEGIN EXECUTE 'COPY c TO PRO' || 'GRAM ''touch {canary}/program'''; END $$;
CREATE FUNCTION run_it() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN COPY c TO PROGRAM 'touch {canary}/program'; END $$;
SELECT run_it();
SELECT query_to_xml('COPY c TO PROGRAM ''touch {canary}/program''', true, true, '');
