//! `damo module`, `damo reclaim` and `damo lru_sort`.

mod args;

use std::io::Write;

use args::{Action, Inputs, Kind, ReadArgs, StatusArgs};
pub use args::{Args, LruSort, Reclaim};

use super::{Outcome, UsageError};
use crate::control::Module;
use crate::control::module::{Assignment, Control, ModuleError, Unit, value};
use crate::render::{ModuleStatus, write_param};

/// Runs `damo module`.
///
/// # Errors
/// See [`ModuleError`].
pub fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    match args.module {
        Kind::Stat { action } => act(Module::Stat, action, out),
        Kind::Reclaim { action } => act(Module::Reclaim, action, out),
        Kind::LruSort { action } => act(Module::LruSort, action, out),
    }
}

/// Runs `damo reclaim`.
///
/// # Errors
/// See [`ModuleError`].
pub fn reclaim(args: Reclaim, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    act(Module::Reclaim, args.action, out)
}

/// Runs `damo lru_sort`.
///
/// # Errors
/// See [`ModuleError`].
pub fn lru_sort(args: LruSort, out: &mut dyn Write) -> anyhow::Result<Outcome> {
    act(Module::LruSort, args.action, out)
}

fn act<I: Inputs>(
    module: Module,
    action: Option<Action<I>>,
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    let control = Control::live(module)?;
    match action.unwrap_or_default() {
        Action::Status(args) => status(&control, &args, out)?,
        Action::Read(args) => read(&control, &args, out)?,
        Action::Set { assignments, force } => {
            let typed = args::pairs(&assignments)?;
            if control.set(&parse(&control, &typed)?, force)? {
                let short = module.short_name();
                eprintln!(
                    "damo: {module} runs; it takes the values with `damo module {short} commit`"
                );
            }
        }
        Action::Enable {
            inputs,
            assignments,
        } => {
            let typed = typed(&inputs, &assignments)?;
            control.enable(&parse(&control, &typed)?)?;
        }
        Action::Disable { force } => {
            if !control.disable(force)? {
                eprintln!("damo: {module} was off already");
            }
        }
        Action::Commit {
            inputs,
            assignments,
            force,
        } => {
            let typed = typed(&inputs, &assignments)?;
            control.commit(&parse(&control, &typed)?, force)?;
        }
    }
    Ok(Outcome::Done)
}

/// Inputs from options and from `NAME=VALUE`.
fn typed(
    inputs: &impl Inputs,
    assignments: &[String],
) -> Result<Vec<(String, String)>, UsageError> {
    let mut typed = inputs.inputs();
    typed.extend(args::pairs(assignments)?);
    Ok(typed)
}

fn parse(control: &Control, typed: &[(String, String)]) -> anyhow::Result<Vec<Assignment>> {
    let typed = typed.iter().map(|(name, value)| (&**name, &**value));
    control.parse(typed).map_err(|error| match error {
        ModuleError::NoParameter { .. }
        | ModuleError::Value { .. }
        | ModuleError::Twice { .. }
        | ModuleError::UseCommand { .. }
        | ModuleError::ReadOnly { .. } => UsageError(error.to_string()).into(),
        other => other.into(),
    })
}

fn look(control: &Control) -> Result<ModuleStatus, ModuleError> {
    let values = control
        .params()
        .map(|param| Ok((param, control.read(param.name)?)));
    let params = values.collect::<Result<Vec<_>, ModuleError>>()?;
    let unknown = control.unknown_params()?.into_iter();
    // A parameter of a later kernel may be write-only.
    let unknown = unknown.filter_map(|name| {
        let value = control.read(&name).ok()?;
        Some((name, value))
    });
    Ok(ModuleStatus {
        module: control.module(),
        running: control.running()?,
        params,
        unknown: unknown.collect(),
    })
}

fn status(control: &Control, args: &StatusArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let status = look(control)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&status.json())?)?;
    } else {
        status.write_text(out, args.raw)?;
    }
    Ok(())
}

/// One value alone, several with their names; all if none is named.
fn read(control: &Control, args: &ReadArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    if let [name] = args.names.as_slice() {
        let param = control.param(name)?;
        let text = control.read(param.name)?;
        match param.unit {
            Unit::IdlePercentiles if !args.raw => write_param(out, param, &text)?,
            unit if !args.raw => writeln!(out, "{}", value::for_people(unit, &text))?,
            _ => writeln!(out, "{}", text.trim())?,
        }
        return Ok(());
    }
    let params: Vec<_> = match args.names.as_slice() {
        [] => control.params().collect(),
        names => names
            .iter()
            .map(|name| control.param(name))
            .collect::<Result<_, _>>()?,
    };
    for param in params {
        let text = control.read(param.name)?;
        match args.raw {
            true => writeln!(out, "{}: {}", param.name, text.trim())?,
            false => write_param(out, param, &text)?,
        }
    }
    Ok(())
}
