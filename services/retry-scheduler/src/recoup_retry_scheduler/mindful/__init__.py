"""How the mind is asked, by the service and by rehearsals alike: in instants, declines and charges."""
