"""What a node must survive: hostile texts, dying processes, jumping clocks, damaged files, half an hour of much."""
