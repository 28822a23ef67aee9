//! `damon_aggregated`, counted in the kernel instead of copied into the ring.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    bindings::BPF_NOEXIST,
    helpers::{bpf_get_current_pid_tgid, generated::bpf_probe_read_kernel},
    macros::map,
    maps::{Array, HashMap},
    programs::TracePointContext,
};
use damo_ebpf::{
    Kdamond, RECORD_BYTES, RECORD_FROM,
    summary::{Counted, MAX_SUMMARIES, Place, Places, Summary, SummaryKey, Words},
};

use super::{BPF_F_NO_PREALLOC, PASS_ON, context, entry, framing};

/// What was counted of each target. User space makes it small where it is not
/// wanted, and marks who is gone; each entry has one other writer, its kdamond.
#[map]
static SUMMARIES: HashMap<SummaryKey, Summary> =
    HashMap::with_max_entries(MAX_SUMMARIES, BPF_F_NO_PREALLOC);

/// Nothing counted: a summary is too large for the stack.
#[map]
static NOTHING: Array<Summary> = Array::with_max_entries(1, 0);

/// Where the fields lie. User space sets it when it loads.
#[unsafe(no_mangle)]
static PLACES: Places = Places {
    end: Place { offset: 0, size: 0 },
    nr_accesses: Place { offset: 0, size: 0 },
    age: Place { offset: 0, size: 0 },
};

/// The entry point, on the same tracepoint as the one for the ring.
#[unsafe(no_mangle)]
#[unsafe(link_section = "tracepoint")]
pub extern "C" fn damon_summarized(ctx: *mut c_void) -> u32 {
    let ctx = TracePointContext::new(ctx);
    let tid = bpf_get_current_pid_tgid() as u32;
    if let Some(kdamond) = entry(tid)
        && count(&ctx, tid, kdamond).is_none()
    {
        kdamond.lost += 1;
    }
    PASS_ON
}

/// Counts a region; `None` if there is no room for its target, or if nothing
/// tells how its numbers are meant.
#[inline(always)]
fn count(ctx: &TracePointContext, tid: u32, kdamond: &mut Kdamond) -> Option<()> {
    let (target_id, nr_regions, start) = framing(ctx);
    let begins = kdamond.follow(target_id, nr_regions, start);
    if begins {
        context::look(tid, kdamond, target_id);
    }
    let mut words: Words = [0; RECORD_BYTES / 8];
    // SAFETY: as for the ring; a failed copy leaves zeros.
    unsafe {
        bpf_probe_read_kernel(
            words.as_mut_ptr().cast(),
            RECORD_BYTES as u32,
            ctx.as_ptr().cast::<u8>().add(RECORD_FROM).cast(),
        );
    }
    // SAFETY: reading a static; volatile, because user space sets it at load.
    let places = unsafe { (&raw const PLACES).read_volatile() };
    let ends = kdamond.left == 0;
    let region = Counted::read(&words, &places, start, &kdamond.context, begins, ends)?;
    of(&SummaryKey {
        kdamond: tid,
        unused: 0,
        target_id,
    })?
    .count(&region);
    Some(())
}

/// What was counted of a target so far.
#[inline(always)]
fn of(key: &SummaryKey) -> Option<&'static mut Summary> {
    let known = match SUMMARIES.get_ptr_mut(key) {
        Some(known) => known,
        None => {
            let _ = SUMMARIES.insert(key, NOTHING.get(0)?, BPF_NOEXIST as u64);
            SUMMARIES.get_ptr_mut(key)?
        }
    };
    // SAFETY: the verifier has checked the look-up; an entry is removed only when
    // its kdamond is gone or no more recorded, and replaced only when its process
    // is gone.
    Some(unsafe { &mut *known })
}
