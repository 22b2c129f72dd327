"""``features.<algorithm>``: the switch of each published algorithm, and what it goes by."""
