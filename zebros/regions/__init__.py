"""Which of two regions writes: moves of writes between them (docs/adr/0048)."""
