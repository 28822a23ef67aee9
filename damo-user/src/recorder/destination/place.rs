//! Where a record is to be, before it is begun.

use std::path::Path;

use crate::recorder::Rotation;
use crate::store::segment_number;
use crate::sys::folder::OutputFolder;
use crate::sys::output::{Output, OutputError};

/// A place for a record that is not begun; dropped, it leaves nothing behind.
pub enum Place {
    /// One file.
    File(Output),
    /// A folder of segments.
    Folder(OutputFolder, Rotation),
}

impl Place {
    /// Makes a file or a folder that is to be `path`. To `go_on` is to add
    /// segments to those of earlier recordings in a folder.
    ///
    /// # Errors
    /// See [`OutputError`].
    pub fn create(
        path: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
        rotation: Option<Rotation>,
        go_on: bool,
    ) -> Result<Place, OutputError> {
        Ok(match rotation {
            None => Place::File(Output::create(path, mode, owner)?),
            Some(rotation) => {
                let make = match go_on {
                    true => OutputFolder::go_on,
                    false => OutputFolder::create,
                };
                Place::Folder(make(path, mode, owner, is_ours)?, rotation)
            }
        })
    }
}

/// What a recording in segments may leave in its folder, even if it is killed.
fn is_ours(name: &str) -> bool {
    let segment = name.strip_suffix(".old").unwrap_or(name);
    let hidden = name.strip_prefix(".damo-").is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-')
    });
    segment_number(segment).is_some() || hidden
}
