//! The one door: whatever moves a ref goes through these steps, in this order.
