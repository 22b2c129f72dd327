from indexpilot_cli.simulate.proof import Proof


def proof(before, after):
    return Proof(before, after, calls=10, indexes=1, bytes=8192, build_seconds=0.1)


def test_times_are_added_up():
    result = proof({"a": 10.0, "b": 5.0}, {"a": 1.0, "b": 6.0})
    assert (result.before_ms, result.after_ms) == (15.0, 7.0)


def test_only_a_clear_loss_counts_as_slower():
    before = {"faster": 100.0, "same": 100.0, "noise": 1.0, "worse": 100.0, "worst": 10.0}
    after = {"faster": 10.0, "same": 125.0, "noise": 9.0, "worse": 150.0, "worst": 200.0}
    assert proof(before, after).slower == ("worst", "worse")
