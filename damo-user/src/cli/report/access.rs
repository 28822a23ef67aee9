//! `damo report access`: what is accessed, how often and for how long.

mod args;
mod facts;
mod plan;
mod sieve;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use args::AccessArgs;
use facts::{Sieved, expect, is_of_damon_stat, record_of};
use plan::{Form, Input, Plan};

use super::{opened_with_regions, raw};
use crate::analyze::Losses;
use crate::analyze::access::{Scale, Seen, Survey, measure};
use crate::cli::watch::Watch;
use crate::control::{System, others};
use crate::export::{ByTarget, Filter, JsonForm, JsonList, Whose, weight};
use crate::model::{Item, Record, Snapshot, TargetKey, printable};
use crate::recorder::{Glance, glance, glance_filtered, glance_tried};
use crate::render::RawForm;
use crate::render::access::{
    AccessRecord, AccessTable, AccessWriter, Keyword, Known, RecordKey, RegionKey, SnapshotKey,
};
use crate::sys::tell::tell;

/// Runs it.
///
/// # Errors
/// A record cannot be read, or does not say how DAMON was set.
pub fn run(args: &AccessArgs, out: &mut dyn Write) -> anyhow::Result<Losses> {
    if args.ls_record_format_keywords {
        return list::<RecordKey>(out);
    }
    if args.ls_snapshot_format_keywords {
        return list::<SnapshotKey>(out);
    }
    if args.ls_region_format_keywords {
        return list::<RegionKey>(out);
    }
    let plan = args.plan()?;
    let mut losses = Losses::default();
    let mut shown = 0;
    loop {
        let mut sources = sources(&plan)?;
        losses.merge(&show(&mut sources, &plan, out)?);
        out.flush()?;
        shown += 1;
        if plan.repeat.count.is_some_and(|count| shown >= count) {
            return Ok(losses);
        }
        std::thread::sleep(plan.repeat.delay);
    }
}

/// Lists what can stand in a format.
fn list<K: Keyword>(out: &mut dyn Write) -> anyhow::Result<Losses> {
    for (_, name, what) in K::ALL {
        writeln!(out, "{name}\n    {what}")?;
    }
    Ok(Losses::default())
}

/// A record that is shown.
struct Source {
    name: PathBuf,
    record: Watch,
    survey: Option<Survey>,
}

fn sources(plan: &Plan) -> anyhow::Result<Vec<Source>> {
    if plan.inputs.is_empty() {
        return Ok(vec![usual(plan)?]);
    }
    let each = plan.inputs.iter().map(|input| match *input {
        Input::File(ref path) => of_file(path),
        Input::TriedRegions { kdamond, scheme } => {
            let name = format!("tried_regions_of {kdamond} 0 {scheme}");
            let seen = glance_tried(&System::live(), kdamond, scheme)?;
            Ok(of_glance(&name, seen, plan))
        }
    });
    each.collect()
}

/// What runs now or, if nothing of sysfs does, the usual record.
fn usual(plan: &Plan) -> anyhow::Result<Source> {
    const RECORD: &str = "damon.data";
    let system = System::live();
    if !plan.filters.is_empty() {
        let seen = glance_filtered(&system, &plan.filters)?;
        return Ok(of_glance("damo's kdamonds", seen, plan));
    }
    // Whoever may not ask has a record, or learns it from what asks.
    let runs = others::kdamonds(&system).is_ok_and(|kdamonds| !kdamonds.is_empty());
    if !runs && Path::new(RECORD).exists() {
        return of_file(Path::new(RECORD));
    }
    Ok(of_glance("the running kdamonds", glance(&system)?, plan))
}

fn of_file(path: &Path) -> anyhow::Result<Source> {
    Ok(Source {
        name: path.to_owned(),
        record: opened_with_regions(path)?,
        survey: None,
    })
}

fn of_glance(name: &str, mut seen: Glance, plan: &Plan) -> Source {
    if plan.merge_alike {
        seen.merge_alike();
    }
    Source {
        name: name.into(),
        record: Watch::new(Box::new(seen), Filter::default(), None, "read"),
        survey: None,
    }
}

/// Shows records, one target after the other.
fn show(sources: &mut [Source], plan: &Plan, out: &mut dyn Write) -> anyhow::Result<Losses> {
    match plan.form {
        Form::Raw => return show_raw(sources, plan, out),
        Form::Json => return show_json(sources, plan, out),
        Form::Text | Form::Table(_) => {}
    }
    let text = plan.form == Form::Text;
    // What is usual says nothing of the whole of a record, if it is one.
    let (look, formats) = plan.formats(&Known::default());
    let probe = AccessWriter::new(out, look, formats);
    let extremes = text && probe.needs_extremes();
    let hurry = sources.len() == 1 && !probe.needs_end() && !extremes;
    let (mut losses, mut all) = (Losses::default(), Survey::default());
    let mut whole = true;
    for source in sources.iter_mut() {
        let (survey, told) = look_through(&mut source.record, plan, hurry, extremes)?;
        whole &= told.is_some();
        losses.merge(&told.unwrap_or_default());
        all.add_extremes(&survey);
        source.survey = Some(survey);
    }
    let mut records = Vec::new();
    for (index, source) in sources.iter_mut().enumerate() {
        let survey = source.survey.take().unwrap_or_default();
        let targets = survey.targets.into_vec();
        if targets.is_empty() {
            let name = source.name.display().to_string();
            tell(format_args!(
                "damo: {}: no snapshots to show",
                printable(&name)
            ));
        }
        for (key, seen) in targets {
            let record = record_of(source.record.meta(), key, &seen);
            let record = record.with_context(|| without_intervals(&source.name))?;
            records.push((index, key, seen, record));
        }
    }
    let known = known(&records);
    let (look, formats) = plan.formats(&known);
    let mut printer = match plan.form {
        Form::Table(form) => {
            let table = AccessTable::new(out, form, plan.style, plan.total_only, look)?;
            Printer::Table(Box::new(table))
        }
        _ => Printer::Text(Box::new(AccessWriter::new(out, look, formats))),
    };
    for (index, source) in sources.iter_mut().enumerate() {
        let own = records.iter().filter(|(of, ..)| *of == index);
        let own: Vec<_> = own
            .map(|(_, key, seen, record)| (*key, seen.weight, record))
            .collect();
        match (own.as_slice(), whole) {
            ([(key, _, record)], false) => {
                losses.merge(&print_one(source, *key, record, plan, &all, &mut printer)?);
            }
            _ => print_all(source, &own, plan, &all, &mut printer)?,
        }
        source.record.finish();
    }
    printer.finish()?;
    Ok(losses)
}

fn without_intervals(name: &Path) -> String {
    format!(
        "{}: does not say which intervals DAMON used, so that neither rates nor ages are known; see `damo report raw`",
        printable(&name.display().to_string())
    )
}

/// Prints records as `damo report raw` does.
fn show_raw(sources: &mut [Source], plan: &Plan, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let mut losses = Losses::default();
    let form = RawForm {
        raw_number: plan.raw_number(),
        duration_ns: None,
    };
    for source in sources {
        let mut sieved = Sieved::new(&mut source.record, &plan.sieve);
        losses.merge(&raw::print(&mut sieved, form, true, out)?);
        source.record.finish();
    }
    Ok(losses)
}

/// Prints records as damo 3's json.
fn show_json(sources: &mut [Source], plan: &Plan, out: &mut dyn Write) -> anyhow::Result<Losses> {
    let mut losses = Losses::default();
    let form = JsonForm::Report {
        raw_number: plan.raw_number(),
    };
    let mut list = JsonList::begin(out, form)?;
    for source in sources {
        let mut sieved = Sieved::new(&mut source.record, &plan.sieve);
        losses.merge(&list.add(&mut sieved, &Filter::default())?.losses);
        source.record.finish();
    }
    list.finish()?;
    Ok(losses)
}

/// What formats depend on.
fn known(records: &[(usize, TargetKey, Seen, AccessRecord)]) -> Known {
    let any = |is: &dyn Fn(&AccessRecord) -> bool| records.iter().any(|(.., it)| is(it));
    Known {
        many_records: records.len() > 1,
        many_snapshots: records.iter().any(|(_, _, seen, _)| seen.snapshots > 1),
        filters: any(&|it| it.filters),
        page_filters: any(&|it| !it.page_filters.is_empty()),
        probes: records.first().is_some_and(|(_, _, seen, _)| seen.probes),
        tuned: any(&|it| it.goal.is_some()),
        damon_stat: any(&is_of_damon_stat),
    }
}

/// A walk through a record, which ends as soon as enough is known if `hurry`
/// and only one target is to be expected: then nothing is said of losses.
fn look_through(
    record: &mut Watch,
    plan: &Plan,
    hurry: bool,
    extremes: bool,
) -> anyhow::Result<(Survey, Option<Losses>)> {
    let mut survey = Survey::default();
    expect(&mut survey, record.meta());
    let hurry = hurry && record.meta().targets.len() == 1;
    let mut record = Sieved::new(record, &plan.sieve);
    let told = record.told();
    let (mut losses, mut regions) = (Losses::default(), Vec::new());
    for item in record.items()? {
        let item = item?;
        losses.add(&item);
        let Item::Snapshot(snapshot) = &item else {
            continue;
        };
        let snapshots = survey.add(snapshot, weight(&item));
        if hurry && snapshots > 1 {
            return Ok((survey, None));
        }
        if let Some(scale) = told.scale(snapshot).filter(|_| extremes) {
            measure(snapshot, &scale, &mut regions);
            survey.add_regions(&regions);
        }
    }
    Ok((survey, Some(losses)))
}

/// Text or a table.
enum Printer<'a> {
    Text(Box<AccessWriter<'a>>),
    Table(Box<AccessTable<'a>>),
}

impl Printer<'_> {
    fn begin(&mut self, record: &AccessRecord) -> std::io::Result<()> {
        match self {
            Printer::Text(writer) => writer.begin(record),
            Printer::Table(table) => {
                table.begin();
                Ok(())
            }
        }
    }

    fn snapshot(
        &mut self,
        record: &AccessRecord,
        snapshot: &Snapshot,
        scale: &Scale,
        all: &Survey,
    ) -> std::io::Result<()> {
        match self {
            Printer::Text(writer) => writer.snapshot(record, snapshot, scale, all),
            Printer::Table(table) => table.snapshot(record, snapshot, scale, all),
        }
    }

    fn end(&mut self, record: &AccessRecord) -> std::io::Result<()> {
        match self {
            Printer::Text(writer) => writer.end(record),
            Printer::Table(_) => Ok(()),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Printer::Text(_) => Ok(()),
            Printer::Table(table) => table.finish(),
        }
    }
}

/// Prints a record of one target in one walk; gives what is missing.
fn print_one(
    source: &mut Source,
    key: TargetKey,
    record: &AccessRecord,
    plan: &Plan,
    all: &Survey,
    printer: &mut Printer<'_>,
) -> anyhow::Result<Losses> {
    let (mut losses, mut others) = (Losses::default(), 0u64);
    let mut record = record.clone();
    printer.begin(&record)?;
    let mut sieved = Sieved::new(&mut source.record, &plan.sieve);
    for item in sieved.items()? {
        let item = item?;
        losses.add(&item);
        match &item {
            Item::Snapshot(snapshot) if snapshot.target == key => {
                record.end_ns = snapshot.end_ns;
                print_snapshot(snapshot, &record, plan, all, printer)?;
            }
            Item::Snapshot(_) => others += 1,
            Item::Gap(_) | Item::Note(_) => {}
        }
    }
    printer.end(&record)?;
    if others > 0 {
        // Its beginning says otherwise.
        anyhow::bail!(
            "{}: {others} snapshots are of targets that the record does not name; see `damo verify`",
            printable(&source.name.display().to_string())
        );
    }
    Ok(losses)
}

/// Prints a record, one target after the other.
fn print_all(
    source: &mut Source,
    targets: &[(TargetKey, u64, &AccessRecord)],
    plan: &Plan,
    all: &Survey,
    printer: &mut Printer<'_>,
) -> anyhow::Result<()> {
    let mut sieved = Sieved::new(&mut source.record, &plan.sieve);
    let every = Filter::default();
    let weights = targets.iter().map(|(key, weight, _)| (*key, *weight));
    let mut parts = ByTarget::new(&mut sieved, &every, weights, of_target);
    for (_, _, record) in targets {
        printer.begin(record)?;
        for item in parts.next_target()?.into_iter().flatten() {
            if let Item::Snapshot(snapshot) = item? {
                print_snapshot(&snapshot, record, plan, all, printer)?;
            }
        }
        printer.end(record)?;
    }
    Ok(())
}

fn print_snapshot(
    snapshot: &Snapshot,
    record: &AccessRecord,
    plan: &Plan,
    all: &Survey,
    printer: &mut Printer<'_>,
) -> anyhow::Result<()> {
    if let Some(scale) = record.scale(snapshot, plan.sieve.compat) {
        printer.snapshot(record, snapshot, &scale, all)?;
    }
    Ok(())
}

fn of_target(item: &Item) -> Whose {
    match item {
        Item::Snapshot(snapshot) => Whose::Of(snapshot.target),
        Item::Gap(_) | Item::Note(_) => Whose::Nobody,
    }
}
