//! One typed configuration value: defaults, then the file, then `SKILL_POOL_SERVER__…` variables, then flags. Unknown keys are refused.
