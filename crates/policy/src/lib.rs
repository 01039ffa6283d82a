//! Policy: turns casbin models and policy lines into compiled tables of decisions per role set. No IO.
