//! Values to text and pictures.
