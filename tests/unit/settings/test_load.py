"""Where settings come from, in which order, and what is said about mistakes."""

from pathlib import Path

import pytest

from indexpilot_cli.errors import UsageError
from indexpilot_cli.settings.keys import keys, sections, value_of
from indexpilot_cli.settings.load import Flag, load

ROOT = Path(__file__).parents[3]
BENEFIT = "advisor.min_benefit"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project" / "deep" / "down"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home" / ".config" / "indexpilot").mkdir(parents=True)
    return tmp_path / "home"


def user_file(home, text):
    (home / ".config" / "indexpilot" / "config.yaml").write_text(text)


def test_each_place_beats_the_one_below(project, home):
    environment = {"HOME": str(home)}
    assert load(environment, project).advisor.min_benefit == 0.005
    user_file(home, "advisor: {min_benefit: 1%}")
    assert load(environment, project).advisor.min_benefit == 0.01
    (project.parents[1] / "indexpilot.yaml").write_text("advisor: {min_benefit: 2%}")
    assert load(environment, project).advisor.min_benefit == 0.02
    environment["INDEXPILOT_ADVISOR_MIN_BENEFIT"] = "3%"
    assert load(environment, project).advisor.min_benefit == 0.03
    settings = load(environment, project, flags={BENEFIT: Flag("--min-benefit", 0.04)})
    assert settings.advisor.min_benefit == 0.04


def test_every_value_knows_its_origin(project, home):
    user_file(home, "advisor:\n  max_indexes: 3\n  max_per_table: 2\n")
    (project / "indexpilot.yaml").write_text("\nadvisor:\n  max_indexes: 4\n")
    environment = {"HOME": str(home), "DB_HOST": "db1"}
    settings = load(environment, project, flags={BENEFIT: Flag("--min-benefit", 0.04)})
    assert str(settings.origin("advisor.max_indexes")) == "./indexpilot.yaml:3"
    assert str(settings.origin("advisor.max_per_table")).endswith("config.yaml:3")
    assert str(settings.origin("connection.host")) == "DB_HOST"
    assert str(settings.origin(BENEFIT)) == "--min-benefit"
    assert str(settings.origin("output.format")) == "default"


def test_the_other_name_is_found_too_and_config_replaces_both(project, home, tmp_path):
    user_file(home, "advisor: {max_indexes: 1}")
    (project / "indexpilot_config.yaml").write_text("advisor: {max_per_table: 2}")
    both = load({"HOME": str(home)}, project)
    assert (both.advisor.max_indexes, both.advisor.max_per_table) == (1, 2)
    only = tmp_path / "only.yaml"
    only.write_text("advisor: {max_calls: 7}")
    one = load({"HOME": str(home)}, project, str(only))
    assert (one.advisor.max_indexes, one.advisor.max_per_table, one.advisor.max_calls) == (None, None, 7)
    assert load({"HOME": str(home), "INDEXPILOT_CONFIG": str(only)}, project).advisor.max_calls == 7


def test_xdg_config_home_counts(project, tmp_path):
    (tmp_path / "xdg" / "indexpilot").mkdir(parents=True)
    (tmp_path / "xdg" / "indexpilot" / "config.yaml").write_text("advisor: {max_indexes: 9}")
    assert load({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, project).advisor.max_indexes == 9


def mistakes(text, project, environment=None):
    (project / "indexpilot.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load(environment or {}, project)
    return caught.value


def test_all_mistakes_are_told_together_with_line_column_and_nearest_name(project):
    error = mistakes(
        "features:\n  constrain_optimizer:\n    enabled: true\n  constraint_optimizer:\n    enabled: maybe\n"
        "advisor:\n  min_benfit: 5%\n"
        "connection:\n  password: s3cret\n",
        project,
        {"INDEXPILOT_ADVISOR_BUDGET": "lots"},
    )
    lines = error.detail.splitlines()
    assert lines == [
        "./indexpilot.yaml:2:3: unknown key features.constrain_optimizer, did you mean features.constraint_optimizer?",
        "./indexpilot.yaml:5:14: features.constraint_optimizer.enabled expects true or false, got the text 'maybe'",
        "./indexpilot.yaml:7:3: unknown key advisor.min_benfit, did you mean advisor.min_benefit?",
        "./indexpilot.yaml:9:3: a password does not belong in a configuration file: use ~/.pgpass",
        "environment variable INDEXPILOT_ADVISOR_BUDGET: advisor.budget 'lots' is not a number with a unit, "
        "such as 5GB",
    ]
    assert error.message == "the configuration has 5 mistakes"
    assert "s3cret" not in error.detail


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("advisor: [", ":1:11: not YAML"),
        ("a: b: c", ":1:5: not YAML"),
        ("advisor:\n\tmax_indexes: 3", ":2:1: not YAML"),
        ("- 1\n- 2", ":1:1: expects keys with values"),
        ("advisor: 3", ":1:10: advisor is a section"),
        ("advisor: {max_indexes: 1, max_indexes: 2}", ":1:27: advisor.max_indexes stands here twice"),
        ("advisor: {max_indexes: !!python/object:x {}}", "advisor.max_indexes could not determine a constructor"),
    ],
)
def test_broken_files_name_the_place(text, where, project):
    assert where in mistakes(text, project).detail


def test_empty_files_and_sections_are_fine(project):
    (project / "indexpilot.yaml").write_text("# nothing\n")
    assert load({}, project).advisor.max_indexes is None
    (project / "indexpilot.yaml").write_text("advisor:\nfeatures:\n  constraint_optimizer:\n")
    assert load({}, project).features.constraint_optimizer.enabled is True


def test_a_missing_file_is_a_usage_error(project):
    with pytest.raises(UsageError, match="cannot read"):
        load({}, project, "absent.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("production_safeguards: {write_performance: {max_indexes_per_table: 5}}", "warn_indexes_per_table is 7"),
        ("production_safeguards: {maintenance_window: {start_hour: 3, end_hour: 3}}", "never open"),
        ("production_safeguards: {maintenance_window: {days_of_week: []}}", "days_of_week is empty"),
        ("production_safeguards: {maintenance_window: {timezone: Mars/Olympus}}", "no known zone"),
        ("operational: {maintenance: {timezone: Mars/Olympus}}", "operational.maintenance.timezone is 'Mars/Olympus'"),
    ],
)
def test_contradictions_are_refused(text, words, project):
    assert words in mistakes(text, project).detail


def test_a_misspelt_bypass_variable_is_refused_and_other_strangers_are_only_mentioned(project):
    with pytest.raises(UsageError) as caught:
        load({"INDEXPILOT_BYPASS_SYSTM_ENABLED": "true"}, project)
    assert "did you mean INDEXPILOT_BYPASS_SYSTEM_ENABLED?" in caught.value.detail
    settings = load({"INDEXPILOT_SERVICE_PORT": "80", "INDEXPILOT_PAGER": "less"}, project)
    assert len(settings.warnings) == 1
    assert "INDEXPILOT_SERVICE_PORT" in settings.warnings[0]


def test_bypass_from_the_environment(project):
    settings = load({"INDEXPILOT_BYPASS_SYSTEM_ENABLED": "1", "INDEXPILOT_BYPASS_SYSTEM_REASON": "storm"}, project)
    assert settings.bypass.system.enabled
    assert settings.bypass.system.reason == "storm"


def test_variables_are_unique_and_every_key_is_reachable_by_one(project):
    names = [key.variable for key in keys().values()]
    assert len(set(names)) == len(names)
    assert not set(keys()) & sections()
    settings = load({"INDEXPILOT_OPERATIONAL_SCHEMA_EVOLUTION_LONG_ROWS": "77"}, project)
    assert settings.operational.schema_evolution.long_rows == 77


CONTRACT_TEXT = """
features.constraint_optimizer.enabled
features.cortex.enabled
features.pgm_index.enabled features.pgm_index.min_rows features.pgm_index.min_suitability
features.bx_tree.enabled features.bx_tree.min_table_size features.bx_tree.min_temporal_queries
features.bx_tree.min_suitability_score features.cert.enabled features.cert.max_error_pct features.qpg.enabled
features.bx_tree.min_suitability_score
features.alex.enabled features.alex.write_heavy_threshold features.alex.dynamic_workload_threshold
features.radix_string_spline.enabled features.radix_string_spline.min_table_size
features.radix_string_spline.min_cardinality_ratio features.radix_string_spline.min_avg_string_length
features.radix_string_spline.min_suitability_score features.idistance.enabled
features.idistance.min_table_rows features.idistance.min_suitability
features.fractal_tree.enabled features.fractal_tree.write_heavy_threshold features.fractal_tree.min_queries
features.fractal_tree.min_table_size features.fractal_tree.min_suitability_score
production_safeguards.maintenance_window.enabled production_safeguards.maintenance_window.start_hour
production_safeguards.maintenance_window.end_hour production_safeguards.maintenance_window.days_of_week
production_safeguards.write_performance.enabled production_safeguards.write_performance.max_indexes_per_table
production_safeguards.write_performance.warn_indexes_per_table
production_safeguards.write_performance.write_overhead_threshold production_safeguards.lock_manager.enabled
production_safeguards.rate_limiter.enabled production_safeguards.cpu_throttle.enabled
operational.health_checks.enabled
features.predictive_indexing.enabled features.predictive_indexing.weight
features.predictive_indexing.use_historical_data features.xgboost.enabled features.xgboost.weight
"""
CONTRACT = CONTRACT_TEXT.split()


NOT_BUILT_TEXT = """
operational.maintenance.enabled operational.reporting.enabled
"""
NOT_BUILT = NOT_BUILT_TEXT.split()


@pytest.mark.parametrize("path", CONTRACT)
def test_f13_contractual_keys_are_read_from_a_file(path, tmp_path):
    key = keys()[path]
    changed = not key.default if key.kind is bool else (1,) if isinstance(key.default, tuple) else 1
    text = "[1]" if isinstance(changed, tuple) else str(changed).lower()
    lines = [f"{'  ' * n}{part}:" for n, part in enumerate(path.split("."))]
    extra = ["    max_indexes_per_table: 10"] if path.endswith("warn_indexes_per_table") else []
    limits = ["    warn_indexes_per_table: 1"] if path.endswith(".max_indexes_per_table") else []
    (tmp_path / "indexpilot_config.yaml").write_text("\n".join(lines) + f" {text}\n" + "\n".join(extra + limits))
    settings = load({}, tmp_path)
    assert value_of(settings, path) == changed
    assert settings.origin(path).place == f"./indexpilot_config.yaml:{len(lines)}"


@pytest.mark.parametrize("path", NOT_BUILT)
def test_keys_of_what_is_not_built_yet_are_refused(path, project):
    """Accepted and read by nobody they would promise what does not happen."""
    error = mistakes("{" + ": {".join(path.split(".")) + ": 1" + "}" * len(path.split(".")), project)
    section = ".".join(path.split(".")[:2])
    assert f"unknown key {section}" in error.detail


SAMPLES = sorted((ROOT / "sample_configs").glob("*.yaml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
def test_sample_configurations_are_valid_and_change_something(path, tmp_path):
    settings = load({}, tmp_path, str(path))
    assert settings.origins
    assert settings.warnings == ()


def test_f13_the_full_sample_holds_every_key_with_its_default(tmp_path):
    settings = load({}, tmp_path, str(ROOT / "sample_configs" / "indexpilot_config.yaml"))
    assert set(settings.origins) == set(keys()) - {"connection.password"}
    assert {p: value_of(settings, p) for p in keys()} == {p: k.default for p, k in keys().items()}


@pytest.mark.parametrize("name", ["small", "oltp", "analytics"])
def test_samples_are_the_profiles_that_init_writes(name):
    from indexpilot_cli.settings.load import profile_text

    assert (ROOT / "sample_configs" / f"{name}.yaml").read_text() == profile_text(name)
