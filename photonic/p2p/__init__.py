"""Floor 3: peers. Who they are, how they are found, what is said to them."""
