"""The files of an export in the directory of its attempt: manifest, integrity, records. No AWS."""
