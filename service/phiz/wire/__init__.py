"""Data that leaves a process: schemas, encoded answers, and messages of the workers."""
