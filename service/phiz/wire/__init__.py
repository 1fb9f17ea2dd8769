"""What leaves a process: schemas, encoded answers, and what workers tell the service."""
