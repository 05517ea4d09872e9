"""The ExportJob controller and what carries out its decisions."""
