"""Whether the service stays as it is under many requests, faults and sizes."""
