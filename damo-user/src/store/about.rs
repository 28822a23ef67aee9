//! What a file says about itself.

use std::collections::HashMap;
use std::io;

use serde::de::DeserializeOwned;

use crate::model::{Meta, TargetInfo};

use super::format::{FileHeader, VERSION, limit};

/// What the file header says beyond what [`Meta`] tells.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Identifies the record; the same in all its segments. `None`: random.
    pub uuid: Option<[u8; 16]>,
    /// Position of the file in a record of several segments.
    pub segment: u32,
    /// Page size of the recorded machine, as a power of two; 0 if not known.
    pub page_shift: u8,
}

impl Default for Options {
    fn default() -> Self {
        let page_shift = rustix::param::page_size().trailing_zeros() as u8;
        Options {
            uuid: None,
            segment: 0,
            page_shift,
        }
    }
}

/// Where each process is among a record's targets, however many there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(HashMap<(u32, u64, Option<u32>), usize>);

impl Places {
    /// Of the first one, where a process is there twice.
    pub fn of(targets: &[TargetInfo]) -> Places {
        let mut places = HashMap::with_capacity(targets.len());
        for (target, place) in targets.iter().zip(0..) {
            places.entry(process(target)).or_insert(place);
        }
        Places(places)
    }

    /// Adds `target` to `targets`, or replaces what is known of the same process
    /// as it.
    pub fn merge(&mut self, targets: &mut Vec<TargetInfo>, target: &TargetInfo) {
        let place = *self.0.entry(process(target)).or_insert(targets.len());
        match targets.get_mut(place) {
            Some(known) => known.clone_from(target),
            None => targets.push(target.clone()),
        }
    }
}

fn process(target: &TargetInfo) -> (u32, u64, Option<u32>) {
    (target.kdamond, target.target_id, target.pid)
}

/// What JSON weighs: its bytes, or what its values take in memory if that is
/// more. [`limit::JSON`] bounds it.
pub(super) fn json_weight(json: &[u8]) -> usize {
    let begins = |byte: &&u8| matches!(byte, b',' | b'[' | b'{');
    let values = json.iter().filter(begins).count();
    json.len().max(values.saturating_mul(limit::JSON_VALUE))
}

/// What a META or TARGET frame says, and what that weighs; `None` if it cannot
/// be understood or weighs more than `most`.
pub(super) fn parse_json<T: DeserializeOwned>(json: &[u8], most: usize) -> Option<(T, usize)> {
    let weight = json_weight(json);
    if weight > most {
        return None;
    }
    Some((serde_json::from_slice(json).ok()?, weight))
}

/// The header of a new file.
pub(super) fn file_header(meta: &Meta, options: Options) -> io::Result<FileHeader> {
    Ok(FileHeader {
        version: VERSION,
        page_shift: options.page_shift,
        segment: options.segment,
        incompat: 0,
        compat: 0,
        uuid: options.uuid.map_or_else(new_uuid, Ok)?,
        boot_id: parse_uuid(&meta.boot_id).unwrap_or_default(),
    })
}

/// A uuid for a new record, of which several files are to be segments.
///
/// # Errors
/// The system has no random numbers.
pub fn new_uuid() -> io::Result<[u8; 16]> {
    let mut uuid = [0; 16];
    rustix::rand::getrandom(&mut uuid, rustix::rand::GetRandomFlags::empty())?;
    Ok(uuid)
}

/// The bytes of a UUID in its usual text form.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let value = u128::from_str_radix(&digits, 16).ok()?;
    (digits.len() == 32).then(|| value.to_be_bytes())
}
