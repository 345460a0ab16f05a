package logs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/gamemetrics/gmctl/internal/problem"
)

// view is what a user wants to see of logs that are files.
type view struct {
	wish
	dir string

	cursors map[string]*cursor
}

// cursor is how far a service's log has been read.
type cursor struct {
	service string
	file    *os.File // nil: the file is not there yet
	offset  int64
	last    time.Time // of the last entry, for lines that tell no time
	taken   bool      // the last entry was in the view, so what continues it is too
}

func (v *view) services(context.Context) ([]string, error) {
	found, err := services(v.dir)
	if err != nil {
		return nil, unreadable(v.dir, err)
	}
	return found, nil
}

// print yields what is there already, by time, and leaves the cursors at its end.
func (v *view) print(_ context.Context, yield func(entry) error) error {
	v.cursors = map[string]*cursor{}
	wanted, err := v.wanted()
	if err != nil {
		return unreadable(v.dir, err)
	}
	var entries []entry
	for _, service := range wanted {
		c := &cursor{service: service}
		v.cursors[service] = c
		found, err := c.history(v)
		if err != nil {
			return unreadable(currentPath(v.dir, service), err)
		}
		entries = append(entries, found...)
	}
	return each(v.last(entries), yield)
}

// follow yields what is written from now on until ctx ends.
func (v *view) follow(ctx context.Context, interval time.Duration, yield func(entry) error) error {
	defer func() {
		for _, c := range v.cursors {
			c.close()
		}
	}()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		wanted, err := v.wanted()
		if err != nil {
			return unreadable(v.dir, err)
		}
		var entries []entry
		for _, service := range wanted {
			c := v.cursors[service]
			if c == nil {
				c = &cursor{service: service}
				v.cursors[service] = c
			}
			found, err := c.news(v)
			if err != nil {
				return unreadable(currentPath(v.dir, service), err)
			}
			entries = append(entries, found...)
		}
		byTime(entries)
		if err := each(entries, yield); err != nil {
			return err
		}
	}
}

// wanted lists the services to show: a new one can appear at any time.
func (v *view) wanted() ([]string, error) {
	if len(v.only) > 0 {
		return v.only, nil
	}
	return services(v.dir)
}

// history reads the whole chain of files and stays at the end of the current one.
func (c *cursor) history(v *view) ([]entry, error) {
	files, err := chain(v.dir, c.service)
	if err != nil {
		return nil, err
	}
	lines := &lines{most: -1}
	if v.since.IsZero() {
		lines.most = v.tail // no use in parsing more
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err == nil && path != currentPath(v.dir, c.service) && info.ModTime().Before(v.since) {
			continue
		}
		if err := c.readFile(v.dir, path, lines); err != nil {
			return nil, err
		}
	}
	return c.entries(lines, v.since), nil
}

// readFile reads a file of the chain. The current one stays open.
func (c *cursor) readFile(dir, path string, lines *lines) error {
	if path == currentPath(dir, c.service) {
		file, err := os.Open(path)
		if err != nil {
			return ignoreGone(err)
		}
		c.file, c.offset = file, 0
		return c.rest(lines, false)
	}
	reader, err := openLog(path)
	if err != nil {
		return ignoreGone(err)
	}
	defer reader.Close()
	_, err = readLines(reader, true, lines.add)
	return err
}

// news reads what was written since the last look, over rotations and
// truncations.
func (c *cursor) news(v *view) ([]entry, error) {
	lines := &lines{most: -1}
	err := c.readNews(v.dir, lines)
	return c.entries(lines, v.since), err
}

func (c *cursor) readNews(dir string, lines *lines) error {
	path := currentPath(dir, c.service)
	if c.file == nil {
		return c.readFile(dir, path, lines)
	}
	ours, err := c.file.Stat()
	if err != nil {
		return err
	}
	current, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // in the middle of a rotation, or the end
		return c.rest(lines, false)
	case err != nil:
		return err
	case os.SameFile(ours, current):
		if current.Size() < c.offset {
			c.offset = 0 // truncated: what is there now is new
		}
		return c.rest(lines, false)
	}
	if err := c.rest(lines, true); err != nil {
		return err
	}
	c.close()
	files, err := c.after(dir, ours)
	if err != nil {
		return err
	}
	for _, path := range files {
		if err := c.readFile(dir, path, lines); err != nil {
			return err
		}
	}
	return nil
}

// after lists the files of the chain that were begun after ours.
func (c *cursor) after(dir string, ours fs.FileInfo) ([]string, error) {
	files, err := chain(dir, c.service)
	if err != nil {
		return nil, err
	}
	for i, path := range files {
		if info, err := os.Stat(path); err == nil && os.SameFile(info, ours) {
			return files[i+1:], nil
		}
	}
	return files[max(0, len(files)-1):], nil // ours was removed or packed
}

// rest reads the open file from the cursor on.
func (c *cursor) rest(lines *lines, all bool) error {
	if _, err := c.file.Seek(c.offset, io.SeekStart); err != nil {
		return err
	}
	read, err := readLines(c.file, all, lines.add)
	c.offset += read
	return err
}

// entries returns the entries of the lines that are not too old.
func (c *cursor) entries(lines *lines, since time.Time) []entry {
	var found []entry
	for _, line := range lines.kept {
		e := parse(c.service, line)
		if !e.Further {
			c.last = e.Time
			c.taken = !e.Time.Before(since)
		}
		e.Time = c.last
		if len(line) > 0 && (c.taken || c.last.IsZero()) {
			found = append(found, e)
		}
	}
	return found
}

func (c *cursor) close() {
	if c.file != nil {
		c.file.Close()
		c.file = nil
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func unreadable(path string, err error) error {
	return &problem.Error{What: "the log " + path + " cannot be read", Cause: err, Next: "run gmctl as the user who ran: gmctl up"}
}
