"""The report on a whole loop: what was collected, trained, evaluated, deployed and corrected, on one page."""
