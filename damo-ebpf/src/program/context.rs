//! What the kernel's structures say of the context that a kdamond works on,
//! found through the running kernel's BTF.

use aya_ebpf::{
    bindings::BPF_ANY,
    helpers::generated::{bpf_get_current_task, bpf_probe_read_kernel},
    macros::map,
    maps::HashMap,
};
use damo_ebpf::{Context, Kdamond, LOOKED_UP, MAX_KDAMONDS, OPS_PADDR, Offsets, told};

use super::tell_numbers;

/// Where to look. User space sets it when it loads, if it knows.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets {
    known: 0,
    worker_private: 0,
    data: 0,
    kdamond: 0,
    sample: 0,
    aggr: 0,
    update: 0,
    min_regions: 0,
    max_regions: 0,
    ops: 0,
    addr_unit: 0,
    targets: 0,
    list: 0,
    pid: 0,
    nr: 0,
};

/// Processes as they were told last, by kdamond (upper half) and target.
#[map]
static PIDS: HashMap<u64, u32> = HashMap::with_max_entries(MAX_KDAMONDS * 16, 1);

/// At the beginning of a snapshot: tells what has changed since the last one.
#[inline(always)]
pub fn look(tid: u32, kdamond: &mut Kdamond, target_id: u64) {
    // SAFETY: reading a static; volatile, because user space sets it at load.
    let at = unsafe { (&raw const OFFSETS).read_volatile() };
    if at.known == 0 {
        return;
    }
    // SAFETY: the helper takes nothing.
    let task = unsafe { bpf_get_current_task() };
    let kthread = word(task, at.worker_private);
    let context = word(kthread, at.data);
    // Whatever was found is a context only if it says whose it is.
    if context == 0 || word(context, at.kdamond) != task {
        return;
    }
    let found = Context {
        sample_us: word(context, at.sample),
        aggr_us: word(context, at.aggr),
        update_us: word(context, at.update),
        min_regions: word(context, at.min_regions),
        max_regions: word(context, at.max_regions),
        ops: half(context, at.ops).into(),
        addr_unit: match at.addr_unit {
            0 => 0,
            offset => word(context, offset),
        },
    };
    if found != kdamond.context {
        kdamond.told += 1;
        let numbers = [
            found.sample_us,
            found.aggr_us,
            found.update_us,
            found.min_regions,
            found.max_regions,
            found.ops,
            found.addr_unit,
        ];
        match tell_numbers(tid, told::CONTEXT, &numbers) {
            true => kdamond.context = found,
            false => kdamond.told_lost += 1,
        }
    }
    if found.ops != OPS_PADDR && target_id < LOOKED_UP {
        target(tid, kdamond, target_id, context, &at);
    }
}

#[inline(always)]
fn target(tid: u32, kdamond: &mut Kdamond, target_id: u64, context: u64, at: &Offsets) {
    let head = context + u64::from(at.targets);
    let mut node = word(head, 0);
    for index in 0..LOOKED_UP {
        if index == target_id || node == head {
            break;
        }
        node = word(node, 0);
    }
    if node == head || node == 0 {
        return;
    }
    let pid = word(node.wrapping_sub(at.list.into()), at.pid);
    let pid = half(pid, at.nr);
    let key = u64::from(tid) << 32 | target_id;
    // SAFETY: nobody else writes this kdamond's entries.
    if pid == 0 || unsafe { PIDS.get(key) } == Some(&pid) {
        return;
    }
    kdamond.told += 1;
    match tell_numbers(tid, told::TARGET, &[target_id, pid.into()]) {
        // Where there is no room, it is told again with each snapshot.
        true => drop(PIDS.insert(key, pid, BPF_ANY as u64)),
        false => kdamond.told_lost += 1,
    }
}

/// Eight bytes of kernel memory; zero where nothing can be read.
#[inline(always)]
fn word(address: u64, offset: u32) -> u64 {
    let mut value = 0u64;
    // SAFETY: the helper checks the address, and `value` is as long as it says.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast(),
            8,
            (address + u64::from(offset)) as *const _,
        );
    }
    value
}

/// As [`word`], of four bytes.
#[inline(always)]
fn half(address: u64, offset: u32) -> u32 {
    let mut value = 0u32;
    // SAFETY: as for `word`.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut value).cast(),
            4,
            (address + u64::from(offset)) as *const _,
        );
    }
    value
}
