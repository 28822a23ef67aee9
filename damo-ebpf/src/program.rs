//! The program itself. One kdamond is one thread, so each entry of `KDAMONDS`
//! has one writer in the kernel and its counters need no atomics.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_NOEXIST, BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns, generated::bpf_probe_read_kernel},
    macros::map,
    maps::{Array, HashMap, RingBuf},
    programs::TracePointContext,
};
use aya_log_ebpf::info;
use damo_ebpf::{Kdamond, MAX_KDAMONDS, RECORD_BYTES, RECORD_FROM, RingEvent, mode};

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
    // SAFETY: the verifier has checked the look-up, entries are never removed
    // while the program is attached, and this kdamond is their only writer.
    let known = unsafe { &mut *known };
    (known.mode == mode::RECORD).then_some(known)
}

#[inline(always)]
fn record(ctx: &TracePointContext, tid: u32, kdamond: &mut Kdamond) {
    // SAFETY: they lie within the record of every kernel with this tracepoint,
    // as the kernel itself checks when the program is attached.
    let (target_id, nr_regions, start) = unsafe {
        let base = ctx.as_ptr().cast::<u8>();
        (
            base.add(TARGET_ID).cast::<u64>().read_volatile(),
            base.add(NR_REGIONS).cast::<u32>().read_volatile(),
            base.add(START).cast::<u64>().read_volatile(),
        )
    };
    kdamond.follow(target_id, nr_regions, start);
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

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here panics; the compiler wants a handler all the same.
    loop {}
}
