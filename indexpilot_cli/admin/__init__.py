"""init, doctor, discover, analyze, history."""
