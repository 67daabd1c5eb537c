package connectlinkstest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings returns pointers to the fields, by their names in flags and JSON.
func (a *Assumptions) settings() map[string]any {
	return map[string]any{
		"unknown_type_status":     &a.UnknownTypeStatus,
		"wrong_token_status":      &a.WrongTokenStatus,
		"revoke_again_status":     &a.RevokeAgainStatus,
		"refuse_basic":            &a.RefuseBasic,
		"word_status":             &a.WordStatus,
		"paginated_source_types":  &a.PaginatedSourceTypes,
		"expire_spent_links":      &a.ExpireSpentLinks,
		"keep_revoked_links":      &a.KeepRevokedLinks,
		"short_activation_names":  &a.ShortActivationNames,
		"no_type_on_destinations": &a.NoTypeOnDestinations,
		"list_delay_looks":        &a.ListDelay.Looks,
		"list_delay_time":         &a.ListDelay.Time,
		"ignore_order":            &a.IgnoreOrder,
		"normalize_redirect":      &a.NormalizeRedirect,
		"dead_page_status":        &a.DeadPageStatus,
		"bare_errors":             &a.BareErrors,
		"no_request_id":           &a.NoRequestID,
		"announce_retirement":     &a.AnnounceRetirement,
		"spaced_times":            &a.SpacedTimes,
	}
}

// Set sets a field by its name in snake_case, for a flag or a configuration file. Examples
// are word_status and true, unknown_type_status and 404, list_delay_time and 2s. It refuses
// a value that the field cannot have. The error for an unknown name lists all names.
func (a *Assumptions) Set(name, value string) error {
	all := a.settings()
	var err error
	switch field := all[name].(type) {
	case *bool:
		var v bool
		if v, err = strconv.ParseBool(value); err == nil {
			*field = v
		}
	case *int:
		var v int
		if v, err = strconv.Atoi(value); err == nil && (v < 0 || strings.HasSuffix(name, "_status") && (v < 200 || v > 599)) {
			err = strconv.ErrRange
		}
		if err == nil {
			*field = v
		}
	case *time.Duration:
		var v time.Duration
		if v, err = time.ParseDuration(value); err == nil && v < 0 {
			err = strconv.ErrRange
		}
		if err == nil {
			*field = v
		}
	default:
		return fmt.Errorf("connectlinkstest: there is no assumption %q; there are %s",
			name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	if err != nil {
		return fmt.Errorf("connectlinkstest: the assumption %s cannot be %q", name, value)
	}
	return nil
}

// values returns the values of the fields, for JSON.
func (a Assumptions) values() map[string]any {
	all := a.settings()
	for name, field := range all {
		switch field := field.(type) {
		case *bool:
			all[name] = *field
		case *int:
			all[name] = *field
		case *time.Duration:
			all[name] = duration(*field)
		}
	}
	return all
}
