"""Models of all kinds behind one interface: training, loading and prediction."""
