"""The jobs of ``sample_configs/`` do what they are there for on a server, with the settings that are mounted there."""

import psycopg
import pytest

from tests.unit.deployment import samples

pytestmark = pytest.mark.server


@pytest.fixture
def job(cli, own_shop, home):
    """Run a command line of the samples against the shop; the window is never open."""
    config = home / "deployed.yaml"
    text = (samples.SAMPLES / "deployed.yaml").read_text()
    assert "end_hour: 5\n" in text
    hour = psycopg.connect(own_shop).execute("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::int").fetchone()[0]
    closed = text.replace("start_hour: 22", f"start_hour: {(hour + 12) % 24}")
    config.write_text(closed.replace("end_hour: 5\n", f"end_hour: {(hour + 13) % 24}\n"))
    known = dict(samples.commands())

    def run(place, *more):
        words = known[place][1:]
        if "--dbname" in words:
            del words[words.index("--dbname") : words.index("--dbname") + 2]
        words[words.index(samples.CONFIG)] = str(config)
        return cli(*words, "-d", own_shop, *more)

    return run


def test_the_jobs_run_one_after_the_other(job, home):
    made = job("compose init")
    assert made.code == 0, made.err
    ran = job("CronJob indexpilot-lifecycle")
    assert ran.code == 0, ran.err
    skipped = job("CronJob indexpilot-apply")
    assert (skipped.code, skipped.out, skipped.err) == (0, "", "")  # outside the window nothing is said
    watched = job("compose lifecycle", "--rounds", "1", "--health-file", str(home / "health.json"))
    assert watched.code == 0, watched.err
    assert (home / "health.json").exists()
