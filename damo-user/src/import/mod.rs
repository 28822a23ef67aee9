//! Opening a record, whatever its format.
