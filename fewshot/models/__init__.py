"""Models of any kind behind one interface: trained, kept in a folder, asked for masks."""
