"""What the times of nudges tell, measured on the real planner."""
