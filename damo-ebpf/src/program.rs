//! The program itself. One kdamond is one thread, so each entry of `KDAMONDS`
//! has one writer in the kernel and its counters need no atomics.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_ANY, BPF_NOEXIST, BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::{
        bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_ktime_get_ns,
        generated::bpf_probe_read_kernel,
    },
    macros::map,
    maps::{Array, HashMap, RingBuf},
    programs::TracePointContext,
};
use aya_log_ebpf::info;
use damo_ebpf::{
    Kdamond, MAX_FOLLOWED, MAX_KDAMONDS, NAME_BYTES, RECORD_BYTES, RECORD_FROM, RingEvent,
    RingTold, TOLD_BYTES, mode, told,
};

mod context;
mod summarize;

/// Events on their way to user space. User space sets the size when it loads.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// State and counters per kdamond, by thread id.
#[map]
static KDAMONDS: HashMap<u32, Kdamond> = HashMap::with_max_entries(MAX_KDAMONDS, 0);

/// Whether kdamonds that are not in `KDAMONDS` are recorded too: until user
/// space knows ours, everything that did not run before might be it.
#[map]
static LEARN: Array<u32> = Array::with_max_entries(1, 0);

/// Processes whose children are told of, by id.
#[map]
static FOLLOWED: HashMap<u32, u8> = HashMap::with_max_entries(MAX_FOLLOWED, BPF_F_NO_PREALLOC);

/// Forks and execs that did not fit into the ring. Any task may count here, so
/// that two at once may count as one: it says whether, not how many.
#[map]
static UNTOLD: Array<u64> = Array::with_max_entries(1, 0);

/// The name whose execs are told of; empty for none.
#[unsafe(no_mangle)]
static NAME: [u8; NAME_BYTES] = [0; NAME_BYTES];

/// Ring fill, in bytes, from which user space is notified within a snapshot.
#[unsafe(no_mangle)]
static QUARTER: u64 = 1 << 20;

/// Whether to log each snapshot (`--debug-bpf`).
#[unsafe(no_mangle)]
static DEBUG: u8 = 0;

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// The fields of the record that the program itself needs. The offsets hold
/// from 5.15 to 7.3; user space checks them against tracefs's `format`.
const TARGET_ID: usize = 8;
const NR_REGIONS: usize = 16;
const START: usize = 24;

/// Fields of `task_newtask`, checked by user space in the same way.
const CHILD: usize = 8;
const CLONE_FLAGS: usize = 32;

/// The new task is a thread of its process.
const CLONE_THREAD: u64 = 0x1_0000;

/// Most followed processes are few: nothing is kept for the rest.
const BPF_F_NO_PREALLOC: u32 = 1;

/// Zero would hide the event from everybody's perf for as long as we listen.
const PASS_ON: u32 = 1;

/// The entry point. Written out, since aya's `#[tracepoint]` returns zero,
/// whatever the function says.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn damon_aggregated(ctx: *mut c_void) -> u32 {
    let ctx = TracePointContext::new(ctx);
    let tid = bpf_get_current_pid_tgid() as u32;
    if let Some(kdamond) = entry(tid) {
        record(&ctx, tid, kdamond);
    }
    PASS_ON
}

/// This kdamond's state, if its events are to be recorded.
#[inline(always)]
fn entry(tid: u32) -> Option<&'static mut Kdamond> {
    let known = match KDAMONDS.get_ptr_mut(tid) {
        Some(known) => known,
        None => {
            if *LEARN.get(0)? == 0 {
                return None;
            }
            let fresh = Kdamond {
                mode: mode::RECORD,
                ..Kdamond::default()
            };
            // Fails only where the map is full. If it was ours, entering it
            // fails in user space as well, and is told there.
            let _ = KDAMONDS.insert(tid, fresh, BPF_NOEXIST as u64);
            KDAMONDS.get_ptr_mut(tid)?
        }
    };
    // SAFETY: the verifier has checked the look-up, an entry is removed only when
    // its kdamond is gone, and this kdamond is its only writer.
    let known = unsafe { &mut *known };
    (known.mode == mode::RECORD).then_some(known)
}

#[inline(always)]
fn record(ctx: &TracePointContext, tid: u32, kdamond: &mut Kdamond) {
    let (target_id, nr_regions, start) = framing(ctx);
    if kdamond.follow(target_id, nr_regions, start) {
        context::look(tid, kdamond, target_id);
    }
    let snapshot_ends = kdamond.left == 0;

    let filled = EVENTS.query(BPF_RB_AVAIL_DATA as u64);
    let Some(mut slot) = EVENTS.reserve::<RingEvent>(0) else {
        kdamond.lost += 1;
        return;
    };
    let event = slot.as_mut_ptr();
    // SAFETY: the slot is as large as a RingEvent, and every byte is written:
    // a failed copy leaves zeros, as the helper promises.
    unsafe {
        (*event).time_ns = bpf_ktime_get_ns();
        (*event).kdamond = tid;
        (*event).snapshot = kdamond.snapshot;
        (*event).lost = kdamond.lost as u32;
        (*event).left = kdamond.left;
        bpf_probe_read_kernel(
            (&raw mut (*event).record).cast(),
            RECORD_BYTES as u32,
            ctx.as_ptr().cast::<u8>().add(RECORD_FROM).cast(),
        );
    }
    // SAFETY: reading a static; volatile, because user space sets it at load.
    let quarter = unsafe { (&raw const QUARTER).read_volatile() };
    let crosses = filled < quarter && filled + size_of::<RingEvent>() as u64 >= quarter;
    // One notification per snapshot: waking user space for each event costs
    // more than everything else together. Never the adaptive flag 0 beside
    // NO_WAKEUP: its notification may not come.
    if snapshot_ends || crosses {
        kdamond.wakeups += 1;
        slot.submit(BPF_RB_FORCE_WAKEUP as u64);
    } else {
        slot.submit(BPF_RB_NO_WAKEUP as u64);
    }
    // SAFETY: as for QUARTER.
    if snapshot_ends && unsafe { (&raw const DEBUG).read_volatile() } != 0 {
        info!(
            ctx,
            "kdamond {} target {}: {} regions", tid, target_id, nr_regions
        );
    }
}

/// Target id, number of regions and start address: what tells snapshots apart.
#[inline(always)]
fn framing(ctx: &TracePointContext) -> (u64, u32, u64) {
    // SAFETY: they lie within the record of every kernel with this tracepoint,
    // as the kernel itself checks when the program is attached.
    unsafe {
        let base = ctx.as_ptr().cast::<u8>();
        (
            base.add(TARGET_ID).cast::<u64>().read_volatile(),
            base.add(NR_REGIONS).cast::<u32>().read_volatile(),
            base.add(START).cast::<u64>().read_volatile(),
        )
    }
}

/// DAMON has tuned its intervals; the snapshots that follow at once were still
/// taken with those before.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn intervals_tuned(ctx: *mut c_void) -> u32 {
    copy::<8>(ctx, told::TUNED)
}

/// A scheme's quota allows another number of bytes.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn quota_changed(ctx: *mut c_void) -> u32 {
    copy::<16>(ctx, told::QUOTA)
}

/// A scheme's counters, after each of its apply intervals.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn scheme_counted(ctx: *mut c_void) -> u32 {
    copy::<64>(ctx, told::SCHEME)
}

/// A scheme is about to be applied to a region.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn scheme_applies(ctx: *mut c_void) -> u32 {
    copy::<44>(ctx, told::APPLIED)
}

/// A process has begun another.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn task_begun(ctx: *mut c_void) -> u32 {
    let process = (bpf_get_current_pid_tgid() >> 32) as u32;
    if FOLLOWED.get_ptr(process).is_none() {
        return PASS_ON;
    }
    let ctx = TracePointContext::new(ctx);
    // SAFETY: they lie within the record, as user space has checked by its
    // format, and the kernel when the program is attached.
    let (child, flags) = unsafe {
        let base = ctx.as_ptr().cast::<u8>();
        (
            base.add(CHILD).cast::<u32>().read_volatile(),
            base.add(CLONE_FLAGS).cast::<u64>().read_volatile(),
        )
    };
    if flags & CLONE_THREAD == 0 {
        // From now on, so that its own children are not missed. Where there is
        // no room, user space finds them in /proc.
        let followed = FOLLOWED.insert(child, 1, BPF_ANY as u64).is_ok();
        if !tell_numbers(process, told::FORK, &[child.into()]) || !followed {
            untold();
        }
    }
    PASS_ON
}

/// A thread ends; if it is a process's first, so does the process, as a rule.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn task_ended(_: *mut c_void) -> u32 {
    let ids = bpf_get_current_pid_tgid();
    let process = (ids >> 32) as u32;
    if process == ids as u32
        && FOLLOWED.get_ptr(process).is_some()
        && !tell_numbers(process, told::EXIT, &[])
    {
        untold();
    }
    PASS_ON
}

/// A process runs another program.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn program_begun(_: *mut c_void) -> u32 {
    // SAFETY: reading a static; volatile, because user space sets it at load.
    let wanted = unsafe { (&raw const NAME).read_volatile() };
    if wanted[0] != 0 && bpf_get_current_comm() == Ok(wanted) {
        let process = (bpf_get_current_pid_tgid() >> 32) as u32;
        if !tell_numbers(process, told::EXEC, &[]) {
            untold();
        }
    }
    PASS_ON
}

fn untold() {
    if let Some(count) = UNTOLD.get_ptr_mut(0) {
        // SAFETY: the verifier has checked the look-up; a lost update is allowed for.
        unsafe { *count += 1 };
    }
}

/// Passes on the first `LEN` bytes of a record, from [`RECORD_FROM`] on, if the
/// kdamond's events are.
#[inline(always)]
fn copy<const LEN: usize>(ctx: *mut c_void, kind: u32) -> u32 {
    let ctx = TracePointContext::new(ctx);
    let tid = bpf_get_current_pid_tgid() as u32;
    if let Some(kdamond) = entry(tid) {
        kdamond.told += 1;
        let passed = tell(tid, kind, |record| {
            // SAFETY: a record is at least `LEN` bytes longer than RECORD_FROM,
            // and `record` has TOLD_BYTES.
            unsafe {
                bpf_probe_read_kernel(
                    record.cast(),
                    LEN as u32,
                    ctx.as_ptr().cast::<u8>().add(RECORD_FROM).cast(),
                );
            }
        });
        if !passed {
            kdamond.told_lost += 1;
        }
    }
    PASS_ON
}

/// Puts numbers into the ring; whether there was room.
#[inline(always)]
fn tell_numbers<const N: usize>(process: u32, kind: u32, numbers: &[u64; N]) -> bool {
    const { assert!(N * 8 <= TOLD_BYTES) };
    tell(process, kind, |record| {
        // SAFETY: there is room for that many, and a ring's item is aligned to 8.
        unsafe { record.cast::<[u64; N]>().write(*numbers) };
    })
}

/// Puts an item into the ring; whether there was room. It wakes nobody: the
/// next snapshot does.
#[inline(always)]
fn tell(kdamond: u32, kind: u32, fill: impl FnOnce(*mut u8)) -> bool {
    let Some(mut slot) = EVENTS.reserve::<RingTold>(0) else {
        return false;
    };
    let item = slot.as_mut_ptr();
    // SAFETY: the slot is as large as a RingTold, and every byte is written.
    unsafe {
        (*item).time_ns = bpf_ktime_get_ns();
        (*item).kdamond = kdamond;
        (*item).kind = kind;
        let record = (&raw mut (*item).record).cast::<u8>();
        record
            .cast::<[u64; TOLD_BYTES / 8]>()
            .write([0; TOLD_BYTES / 8]);
        fill(record);
    }
    slot.submit(BPF_RB_NO_WAKEUP as u64);
    true
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here panics; the compiler wants a handler all the same.
    loop {}
}
