"""What people look at: text, pages, plots. No result imports anything from here."""
