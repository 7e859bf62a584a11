"""Floor 4: policy. What a role wants, keeps and shows."""
