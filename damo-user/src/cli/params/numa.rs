//! Which physical addresses a NUMA node has.

use std::fs;
use std::io;
use std::path::Path;

use crate::sys::iomem;

/// Where the kernel says it.
const DEVICES: &str = "/sys/devices/system";

/// The addresses of these nodes, `[start, end)` in bytes, ascending; blocks
/// that touch are one.
///
/// # Errors
/// No such node, or a kernel without memory blocks, in words.
pub(super) fn memory(nodes: &[u32]) -> Result<Vec<(u64, u64)>, String> {
    memory_below(Path::new(DEVICES), nodes)
}

fn memory_below(devices: &Path, nodes: &[u32]) -> Result<Vec<(u64, u64)>, String> {
    let path = devices.join("memory/block_size_bytes");
    let said = |path: &Path, error: io::Error| format!("cannot read {}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| said(&path, error))?;
    let size = u64::from_str_radix(text.trim(), 16)
        .map_err(|_| format!("{}: '{}' is not a size", path.display(), text.trim()))?;
    let mut blocks = Vec::new();
    for node in nodes {
        let folder = devices.join(format!("node/node{node}"));
        for entry in fs::read_dir(&folder).map_err(|error| said(&folder, error))? {
            let name = entry.map_err(|error| said(&folder, error))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("memory"));
            let block = number.and_then(|number| number.parse::<u64>().ok());
            blocks.extend(block.and_then(|block| {
                Some((
                    block.checked_mul(size)?,
                    block.checked_add(1)?.checked_mul(size)?,
                ))
            }));
        }
    }
    if blocks.is_empty() {
        return Err("there is no memory on it".to_owned());
    }
    Ok(iomem::merge(blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_touch_are_one() {
        let devices = tempfile::tempdir().unwrap();
        let make = |path: &str| fs::create_dir_all(devices.path().join(path)).unwrap();
        for path in [
            "memory",
            "node/node0/memory9",
            "node/node0/memory10",
            "node/node1/memory2",
            "node/node0/memory_failure",
        ] {
            make(path);
        }
        fs::write(devices.path().join("memory/block_size_bytes"), "1000\n").unwrap();
        let memory = |nodes: &[u32]| memory_below(devices.path(), nodes);
        assert_eq!(memory(&[0]), Ok(vec![(0x9000, 0xb000)]));
        assert_eq!(
            memory(&[0, 1]),
            Ok(vec![(0x2000, 0x3000), (0x9000, 0xb000)])
        );
        assert!(memory(&[2]).unwrap_err().contains("node2"));
    }
}
