//! Pure folds over snapshots.
