"""The command lines whose output ``test_pins`` keeps: forms of every command, offline and on a server."""

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Scenario:
    """Command lines, one a line, maybe after ``NAME=value``; the files they read, and SQL that is run first."""

    text: str
    server: bool = False
    planner: bool = False  # costs are printed
    files: dict = field(default_factory=dict)
    sql: tuple = ()

    @property
    def lines(self):
        return [line.strip() for line in self.text.strip().splitlines()]

    @staticmethod
    def variables(line):
        """Leading environment variables, and the rest of the line."""
        found = re.match(r"((?:[A-Z_]+=\S+ )*)(.*)", line)
        return dict(pair.split("=", 1) for pair in found[1].split()), found[2]


def forms(line, *names):
    """The command in each of these forms."""
    return "\n".join(f"{line} --format {name}" for name in names)


def all_of(template, words):
    """One line for each word."""
    return "\n".join(template.format(word) for word in words)


WIDE = "COLUMNS=400 "  # no sentence is wrapped: where it would be depends on the length of a measured time
CHECK = "schema-evolve check m.sql --source sql --file workload.sql"
ADD = "schema-evolve add-column orders tier --type int --default 3 --not-null"
WHAT_IF = 'explain --query "SELECT id FROM orders WHERE customer_id = 7" --with "CREATE INDEX ON orders (customer_id)"'
COMMANDS = (
    *("", "init", "discover", "analyze", "recommend", "explain", "apply", "rollback", "plan", "plan show"),
    *("types", "genome", *(f"genome {w}" for w in ("list", "set"))),
    *("experiment", *(f"experiment {w}" for w in ("start", "step", "status", "stop"))),
    *("tenant", *(f"tenant {w}" for w in ("list", "show", "init", "enable", "disable"))),
    *(
        "plan approve",
        "snapshot",
        "snapshot save",
        "calibrate",
        "doctor",
        "history",
        "lifecycle",
        "lifecycle snapshot",
        "lifecycle builds",
        "lifecycle run",
        "lifecycle status",
        "lifecycle metrics",
        "lifecycle query-stats",
        "lifecycle watch",
        "lifecycle policy",
        "lifecycle install",
        *("model", "model train", "model show", "model forget"),
        "bypass",
        "bypass status",
        "bypass enable",
    ),
    *("bypass disable", "config", "config show", "config check", "schema", "completion", "demo", "schema-evolve"),
    *(f"schema-evolve {w}" for w in ("check", "add-column", "drop-column", "alter-type", "rename-column", "rollback")),
    "schema-evolve finish",
    *("simulate", *(f"simulate {w}" for w in ("baseline", "autoindex", "compare", "history"))),
)
SCHEMAS = (
    *(
        "analyze",
        "apply",
        "bypass",
        "calibrate",
        "config",
        "config_check",
        "demo",
        "discover",
        "doctor",
        "error",
        "explain",
        "history",
        "lifecycle",
        "lifecycle_snapshot",
        "lifecycle_builds",
        "lifecycle_run",
        "lifecycle_status",
        "lifecycle_metrics",
        "lifecycle_query_stats",
        "lifecycle_watch",
        "lifecycle_policy",
        "lifecycle_install",
    ),
    *(
        "init",
        "plan_approve",
        "recommend",
        "rollback",
        "schema-evolve",
        "schema_evolve_change",
        "schema_evolve_rollback",
    ),
    *("snapshot", "genome", "genome_set", "tenants", "tenant", "tenant_change", "schema_sync", "types", "versions"),
    *("experiment_start", "experiments", "model", "algorithm_usage"),
)
GOOD = "operational: {schema_evolution: {fail_on: warning, ignore: [T01]}}\nadvisor: {budget: 5GB}\n"
WRONG = "advisor: {budgett: 5GB}\nfeatures: {cert: {enabled: maybe}}\n"
SETTINGS = f"""
{forms("config show", "table", "json", "yaml", "markdown")}
config show --origin
config show --config good.yaml --origin operational.schema_evolution
config show advisor.budgett
INDEXPILOT_ADVISOR_BUDGET=3GB config show advisor --origin
{forms("config check good.yaml", "table", "json")}
{forms("config check wrong.yaml", "table", "json", "markdown")}
config check
config check absent.yaml
{forms("init --config-only --dry-run --config new.yaml -h /nowhere", "table", "json")}
init --config-only --yes --config small.yaml --profile small -h /nowhere
config show --config small.yaml --origin advisor
"""
ERRORS = f"""
{forms("discover -h /nowhere", "table", "json", "yaml", "markdown", "sarif")}
recommend --bugdet 5GB -h /nowhere
recommend --budget much --json -h /nowhere
recommend --source sql absent.sql --json -h /nowhere
recommend --snapshot absent.ipsnap --json -h /nowhere
recommend --snapshot workload.sql --json -h /nowhere
discover --format github --json -h /nowhere
discover --format pdf -h /nowhere
analyze --snapshot shop.ipsnap --format sql
recommnd
schema nothing
explain L99
explain X-1
explain R-ffffffff --snapshot shop.ipsnap --json
explain q-ffffff --snapshot shop.ipsnap
explain --query "SELEC 1" --snapshot shop.ipsnap --json
explain --query "SELECT nothing FROM orders" --snapshot shop.ipsnap --json
completion tcsh
"""
READING = f"""
recommend --snapshot shop.ipsnap --json
COLUMNS=80 recommend --snapshot shop.ipsnap
COLUMNS=100 recommend --snapshot shop.ipsnap --show-rejected
COLUMNS=160 recommend --snapshot shop.ipsnap --show-rejected --verbose
{forms("recommend --snapshot shop.ipsnap --show-rejected", "yaml", "markdown", "sql", "sarif")}
recommend --snapshot shop.ipsnap --budget 300kB --max-indexes 1 --min-benefit 1% --exit-code --json
recommend --snapshot shop.ipsnap --table customers --exit-code --format table
COLUMNS=80 analyze --snapshot shop.ipsnap
{forms("analyze --snapshot shop.ipsnap --verbose", "table", "json", "yaml", "markdown")}
COLUMNS=80 discover --snapshot shop.ipsnap
{forms("discover --snapshot shop.ipsnap --sort name --verbose", "table", "json", "yaml", "markdown")}
{forms("explain q-040759 --snapshot shop.ipsnap", "table", "json", "markdown")}
{forms("explain R-f9a8e778 --snapshot shop.ipsnap", "table", "json", "markdown", "yaml")}
{forms("explain R-5fbcf534 --snapshot shop.ipsnap", "table", "json")}
{WHAT_IF} --snapshot shop.ipsnap --json
explain --query "SELECT id FROM orders WHERE id = 7" --without orders_pkey --snapshot shop.ipsnap
{forms("explain L01", "table", "json", "markdown", "yaml")}
{all_of("explain L{:02}", range(2, 30))}
"""
MIGRATION = """ALTER TABLE public.orders ADD CONSTRAINT few CHECK (id < 100);
CREATE INDEX orders_status_idx ON public.orders (status);
ALTER TABLE public.orders ALTER COLUMN id TYPE bigint;
ALTER TABLE public.orders DROP COLUMN customer_id;
UPDATE public.orders SET status = 'x';
DROP TABLE public.nowhere;
"""
BAD = "CREATE TABLE t (id int);\nALTER TABLE t ADD COLUMM x int;\n"
CORPUS = f"""
schema-evolve check corpus2 --offline
schema-evolve check corpus10 --offline --fix --verbose
{forms("schema-evolve check corpus40 --offline", "markdown", "sarif", "github")}
schema-evolve check corpus40 --offline --fix --json
schema-evolve check bad.sql m.sql --offline
{forms("schema-evolve check bad.sql --offline", "json", "sarif", "github", "markdown")}
schema-evolve check m.sql --offline --format yaml
schema-evolve check m.sql --offline --ignore L01 --fail-on never --transaction single
schema-evolve check m.sql --snapshot shop.ipsnap
schema-evolve check m.sql --snapshot shop.ipsnap --json
"""
REVIEW = f"""
{forms(WIDE + CHECK, "table")}
{forms(CHECK, "json", "markdown", "sarif", "github", "yaml")}
{WIDE}schema-evolve check m.sql --source sql --file workload.sql --fix --verbose
schema-evolve check m.sql --source sql --file workload.sql --fix --json
"""
APPLY = f"""
{forms("init --check", "table", "json")}
{forms("init --db-only --dry-run", "table", "json", "sql", "markdown")}
init --db-only --yes --json
init --db-only --yes
bypass status --json
{forms("doctor", "table", "json", "markdown", "yaml")}
doctor --ready
{forms("discover --sort name --verbose", "table", "json", "markdown")}
{forms("analyze --source sql workload.sql", "table", "json")}
recommend --source sql workload.sql --json
{forms("plan show", "table", "json", "yaml", "markdown", "sql")}
COLUMNS=80 plan show {{plan}} --show-rejected --verbose
{forms("plan approve {plan} --reason reviewed", "table", "json", "markdown")}
plan approve P-none --json
explain R-f9a8e778 --json
{forms("apply {plan} --dry-run", "table", "json", "yaml", "markdown", "sql")}
apply R-f9a8e778
apply R-f9a8e778 --yes --json --verify planner --workload workload.sql --source sql
apply {{plan}} --yes --max 1
apply {{plan}} --yes --json --require-approval
apply {{plan}} --yes
{forms("history", "table", "json", "yaml", "markdown")}
history --type CREATE_INDEX --limit 2 --verbose
{forms("explain M-30", "table", "json", "markdown")}
{forms("rollback --last --dry-run", "table", "json", "yaml", "markdown", "sql")}
rollback --last --yes --json
rollback {{plan}} --yes
rollback {{plan}} --yes
rollback M-999999 --dry-run --json
explain M-999999
{forms("bypass status", "table", "yaml", "markdown")}
bypass disable
{forms("bypass disable --reason release --for 4h", "table", "json")}
{forms("bypass status", "table", "json")}
{forms("apply {plan} --yes", "table", "json")}
{forms("bypass enable --reason over", "table", "json", "markdown")}
{forms("snapshot save s.ipsnap --source sql --file workload.sql", "table", "json", "markdown")}
snapshot save s.ipsnap --source sql --file workload.sql --redact
history --limit 3
{forms("history --versions --table orders", "table", "json")}
{forms("history --algorithms", "table", "json")}
{forms("experiment status", "table", "json")}
experiment stop nothing --yes
"""
CHANGE = f"""
schema-evolve add-column orders tier --type int --default 3 --not-null
init --db-only --yes --quiet
{forms(ADD, "table", "json", "yaml", "markdown", "sql")}
schema-evolve add-column orders tier --type int --default 3 --not-null --execute --yes --json
schema-evolve add-column orders tier --type int
{forms("schema-evolve rollback --last", "table", "json", "markdown", "sql")}
schema-evolve rollback --last --execute --yes --json
schema-evolve rollback --last --execute --yes
{forms("schema-evolve alter-type orders id --type bigint", "table", "json", "sql")}
schema-evolve alter-type orders customer_id --type bigint --execute --yes
{forms("schema-evolve finish orders customer_id", "table", "json", "sql")}
schema-evolve finish orders customer_id --execute --yes --json
schema-evolve alter-type customers city --type "varchar(100)" --execute --yes --json
schema-evolve rollback --last --execute --yes
{forms("schema-evolve rename-column orders status state", "table", "json", "markdown", "sql")}
schema-evolve rename-column orders status state --execute --yes --json
schema-evolve rollback --last --execute --yes --json
{forms("schema-evolve drop-column customers email", "table", "json", "markdown", "sql")}
schema-evolve drop-column customers email --execute --yes
schema-evolve drop-column customers city --execute --yes --json
schema-evolve drop-column customers city --execute --yes --json --force
schema-evolve rollback --last --execute --yes --json
schema-evolve drop-column customers nothing --json
schema-evolve rollback M-999 --json
history
{forms("explain M-2", "table", "json")}
"""
SCENARIOS = {
    "help": Scenario(all_of("{} --help", COMMANDS)),
    "schemas": Scenario("schema\nschema --json\n" + all_of("schema {}", SCHEMAS)),
    "settings": Scenario(SETTINGS, files={"good.yaml": GOOD, "wrong.yaml": WRONG}),
    "errors": Scenario(ERRORS),
    "reading": Scenario(READING, planner=True),
    "corpus": Scenario(CORPUS, files={"m.sql": MIGRATION, "bad.sql": BAD}),
    "review": Scenario(REVIEW, server=True, files={"m.sql": MIGRATION}),
    "apply": Scenario(APPLY, server=True, planner=True),
    "change": Scenario(
        CHANGE,
        server=True,
        sql=("CREATE VIEW emails AS SELECT email FROM customers", "CREATE INDEX ON customers (city)"),
    ),
}
