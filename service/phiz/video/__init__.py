"""Videos: frames from cameras, files and networks, and files with sound. Needs the extra video."""
