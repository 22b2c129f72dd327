"""What-if: the planner twin, HypoPG, and the choice between them."""
