"""Many pictures on many machines: from folders or buckets to Parquet files, with Ray Data."""
