"""Two local platforms as two regions: users, operators, the loss of a region, and what is right."""
