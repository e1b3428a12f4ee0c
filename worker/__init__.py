"""Everything that computes: the contract, the lab, and the rim that joins the lab to the queue."""
