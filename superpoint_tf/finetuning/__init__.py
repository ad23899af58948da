"""Fine-tuning in one call: label photographs, train on them, judge before and after on others."""
