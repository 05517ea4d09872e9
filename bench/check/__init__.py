"""The gate of CI on what a job costs, in counters that do not depend on the speed of the machine."""
