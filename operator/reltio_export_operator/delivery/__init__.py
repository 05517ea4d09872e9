"""What lies in an attempt's directory: manifest, integrity, records. No AWS."""
