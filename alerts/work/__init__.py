"""What people do about cases: who works on which, when owners may be called, what came of it, what was promised."""
