//! Opens everything once, hands it down, and shuts it down in order.
