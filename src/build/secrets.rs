//! Secrets stay out of the plan, and so out of manifest, seed and what `plan` shows: what a profile writes out is taken
//! from it and given a name; for a build, what it names must have been given.

use std::collections::BTreeMap;

use super::Error;
use crate::profile::{Profile, Secret};

/// Values by name.
pub type Secrets = BTreeMap<String, String>;

/// Takes the values of literal secrets out of `profile` and adds them to `values`.
pub(super) fn hide(profile: &mut Profile, values: &mut Secrets) {
    for (name, secret) in secrets(profile) {
        if let Secret::Literal(value) = secret {
            values.insert(name.clone(), std::mem::take(value));
            *secret = Secret::Named(name);
        }
    }
}

/// Whether every secret that `profile` names has a value that can be a field of passwd(5)'s, NetworkManager's and zypper's files,
/// where a line's end would begin something else.
///
/// # Errors
/// One that was not given, or whose value cannot be.
pub(super) fn check(profile: &mut Profile, values: &Secrets) -> Result<(), Error> {
    for (place, secret) in secrets(profile) {
        let Secret::Named(name) = secret else { continue };
        let value = values.get(name).ok_or_else(|| Error::Secret(name.clone()))?;
        // crypt(5): no hash has a colon, which ends the field.
        let is_hash = place.ends_with(HASH);
        if value.is_empty() || value.starts_with(' ') || value.contains(|c: char| c.is_control() || is_hash && c == ':')
        {
            return Err(Error::SecretText(name.clone()));
        }
    }
    Ok(())
}

const HASH: &str = ".password_hash";

/// All secrets of a profile, by the keys that they stand at.
fn secrets(profile: &mut Profile) -> Vec<(String, &mut Secret)> {
    let machine = &mut profile.machine;
    let users = machine.users.iter_mut().filter_map(|(name, user)| {
        let secret = user.password_hash.as_mut()?;
        Some((format!("users.{name}{HASH}"), secret))
    });
    let connections = machine.connections.iter_mut().filter_map(|connection| {
        let name = format!("network.connections.{}.psk", connection.name);
        Some((name, connection.psk.as_mut()?))
    });
    let mirrors = machine.update.repositories.iter_mut().flatten().filter_map(|mirror| {
        let name = format!("update.repositories.{}.password", mirror.alias);
        Some((name, &mut mirror.login.as_mut()?.password))
    });
    let registries = machine.container.registries.credentials.iter_mut();
    let registries = registries.map(|(name, secret)| (format!("registries.credentials.{name}"), secret));
    users.chain(connections).chain(mirrors).chain(registries).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Choice, User, load};

    fn profile(secret: Secret) -> Profile {
        let choice = Choice {
            profile: "kubic".into(),
            distribution: Some("debian-rpm".into()),
            platform: Some("vm".into()),
            arch: Some(crate::profile::Arch::X86_64),
            ..Choice::default()
        };
        let mut profile = load(&choice).unwrap().profile;
        let user = User { password_hash: Some(secret), ..User::default() };
        profile.machine.users.insert("ann".into(), user);
        profile
    }

    #[test]
    fn literal_values_leave_the_profile() {
        let mut profile = profile(Secret::Literal("$6$x".into()));
        let mut values = Secrets::new();
        hide(&mut profile, &mut values);
        let name = "users.ann.password_hash";
        assert_eq!(profile.machine.users["ann"].password_hash, Some(Secret::Named(name.into())));
        assert_eq!(values[name], "$6$x");
        assert!(check(&mut profile, &values).is_ok());
    }

    #[test]
    fn values_that_are_missing_or_more_than_a_field_are_refused() {
        let mut profile = profile(Secret::Named("A".into()));
        assert!(matches!(check(&mut profile, &Secrets::new()), Err(Error::Secret(name)) if name == "A"));
        for (value, is_good) in [("$6$x", true), ("", false), ("a\nroot::0", false), (" x", false), ("a:b", false)] {
            let checked = check(&mut profile, &Secrets::from([("A".into(), value.into())]));
            assert_eq!(checked.is_ok(), is_good, "{value:?}");
        }
    }
}
