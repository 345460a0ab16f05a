package upgrade

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gamemetrics/gmctl/internal/awscloud"
	"github.com/gamemetrics/gmctl/internal/engine"
	"github.com/gamemetrics/gmctl/internal/problem"
)

// Replace returns the stages that give a node group, as the configuration calls
// it, another instance type: a new group beside the old one, its nodes ready,
// the old one's drained as the disruption budgets allow, the configuration, and
// the old group deleted.
//
// Terraform names a node group by a prefix and a suffix that it makes up
// (node_group_name_prefix), and so does this: old and new can stand side by side,
// and the new one is such as Terraform would have made it. With the old one gone,
// Terraform finds nothing at the group's address; the new one carries the
// environment's tags and the group's name, by which internal/terraform adopts it
// there, as it does what a killed apply has left. After that its plan is empty.
// Who changes the instance type in gmctl.yaml and runs `gmctl up` gets the same
// from Terraform alone (create_before_destroy), but for the drain that names the
// budget which blocks it.
func (o *Options) Replace(ctx context.Context, title, instanceType string, now time.Time) (*engine.Graph, error) {
	groups, err := o.EKS.NodeGroups(ctx)
	if err != nil {
		return nil, err
	}
	var titles []string
	for _, group := range groups {
		titles = append(titles, group.Title)
	}
	groups = slices.DeleteFunc(groups, func(group awscloud.NodeGroup) bool { return group.Title != title })
	if len(groups) == 0 {
		slices.Sort(titles)
		return nil, &problem.Error{
			What: "there is no node group " + title, Next: fmt.Sprintf("choose one of: %v", slices.Compact(titles)), Kind: problem.Usage,
		}
	}
	r := replacement{Options: o, title: title, instanceType: instanceType}
	for _, group := range groups {
		if slices.Equal(group.InstanceTypes, []string{instanceType}) && r.wanted == "" {
			r.wanted = group.Name
		} else {
			r.old = append(r.old, group.Name)
		}
	}
	if r.wanted == "" {
		r.wanted = uniqueName(title, now)
	}
	configured := func() (bool, error) {
		is, err := o.Settings.InstanceType(title)
		return is == instanceType, err
	}
	var c chain
	c.add("replace-"+title+"-create", "the new nodes of "+title, &created{replacement: r})
	c.add("replace-"+title+"-drain", "the old nodes of "+title, &drained{replacement: r})
	c.add("replace-"+title+"-config", "the configuration", &retyped{replacement: r})
	c.add("replace-"+title+"-delete", "the old node group", &deleted{replacement: r})
	c.add("infra", "Terraform's plan, which is empty afterwards", &terraformed{Options: o, configured: func() (bool, error) {
		done, err := configured()
		if err != nil || !done {
			return false, err
		}
		left, err := r.remaining(ctx)
		return len(left) == 0, err
	}})
	return engine.NewGraph(c...)
}

// uniqueName is a name as Terraform makes it of a prefix: 18 digits of a time
// and a counter of 8. By its form Terraform knows the prefix again.
func uniqueName(title string, now time.Time) string {
	stamp := now.UTC().Format("20060102150405.0000")
	return title + "-" + stamp[:14] + stamp[15:] + "00000001"
}

// replacement is what the steps of a replacement have in common.
type replacement struct {
	step
	*Options
	title, instanceType string
	wanted              string   // name of the new group
	old                 []string // names of the others
}

// remaining lists the old groups that are still there.
func (r *replacement) remaining(ctx context.Context) ([]awscloud.NodeGroup, error) {
	var groups []awscloud.NodeGroup
	for _, name := range r.old {
		group, err := r.EKS.NodeGroup(ctx, name)
		if err != nil {
			return nil, err
		}
		if group.State != "" {
			groups = append(groups, group)
		}
	}
	return groups, nil
}

// created is the new group, with all its nodes ready.
type created struct{ replacement }

func (s *created) Plan(ctx context.Context, _ engine.Goal) (engine.Plan, error) {
	group, err := s.EKS.NodeGroup(ctx, s.wanted)
	if err != nil || group.State.Ready() {
		return engine.Plan{}, err
	}
	old, err := s.remaining(ctx)
	if err != nil || len(old) == 0 {
		return engine.Plan{}, err
	}
	return engine.Plan{Changes: []engine.Change{{
		Action: engine.ActionCreate, Object: "node group " + s.title, Detail: fmt.Sprintf("%d nodes of %s", old[0].Desired, s.instanceType),
	}}}, nil
}

func (s *created) Apply(ctx context.Context, report engine.Reporter) error {
	group, err := s.EKS.NodeGroup(ctx, s.wanted)
	if err != nil {
		return err
	}
	if group.State == "" {
		old, err := s.remaining(ctx)
		if err != nil || len(old) == 0 {
			return err
		}
		if err := s.EKS.CopyNodeGroup(ctx, old[0].Name, s.wanted, s.instanceType); err != nil {
			return err
		}
	}
	for {
		group, err := s.EKS.NodeGroup(ctx, s.wanted)
		if err != nil {
			return err
		}
		if group.State.Settled() && !group.State.Ready() {
			return &problem.Error{
				What:  fmt.Sprintf("EKS could not make the nodes of %s: the group is %s", s.instanceType, group.State),
				Cause: fmt.Errorf("%v", group.Issues), Next: "mend what it names, delete the group " + s.wanted + " in the EKS console, and run it again",
			}
		}
		ready, err := s.readyNodes(ctx)
		if err != nil {
			return err
		}
		if group.State.Ready() && ready >= group.Desired {
			return nil
		}
		report.Report(engine.Update{
			Kind: engine.UpdateWaiting, Message: fmt.Sprintf("the new nodes of %s to be ready", s.title), Usually: nodeUsually,
			Done: int64(ready), Total: int64(group.Desired), Unit: "nodes",
		})
		if err := s.sleep(ctx); err != nil {
			return err
		}
	}
}

func (s *created) readyNodes(ctx context.Context) (int, error) {
	nodes, err := s.Kubernetes.Nodes(ctx)
	ready := 0
	for _, node := range nodes {
		if node.Group == s.wanted && node.Ready {
			ready++
		}
	}
	return ready, err
}

// drained is the old groups without a pod of ours.
type drained struct{ replacement }

func (s *drained) Plan(ctx context.Context, _ engine.Goal) (engine.Plan, error) {
	old, err := s.remaining(ctx)
	var plan engine.Plan
	for _, group := range old {
		plan.Changes = append(plan.Changes, engine.Change{
			Action: engine.ActionStop, Object: "nodes of " + group.Name,
			Detail: fmt.Sprintf("%d of %s, drained one after the other", group.Desired, typesOf(group)),
		})
	}
	return plan, err
}

func typesOf(group awscloud.NodeGroup) string {
	if len(group.InstanceTypes) == 1 {
		return group.InstanceTypes[0]
	}
	return fmt.Sprint(group.InstanceTypes)
}

// Apply cordons all old nodes before it drains the first, so that no pod moves
// twice.
func (s *drained) Apply(ctx context.Context, report engine.Reporter) error {
	old, err := s.remaining(ctx)
	if err != nil {
		return err
	}
	nodes, err := s.Kubernetes.Nodes(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, node := range nodes {
		if slices.ContainsFunc(old, func(group awscloud.NodeGroup) bool { return group.Name == node.Group }) {
			names = append(names, node.Name)
		}
	}
	for _, name := range names {
		if err := s.Kubernetes.Cordon(ctx, name, true); err != nil {
			return err
		}
	}
	for i, name := range names {
		report.Report(engine.Update{
			Kind: engine.UpdateProgress, Message: "draining node " + name, Done: int64(i), Total: int64(len(names)), Unit: "nodes",
		})
		if err := s.Kubernetes.Drain(ctx, name, report); err != nil {
			return err
		}
	}
	return nil
}

// retyped is the configuration with the new instance type.
type retyped struct{ replacement }

func (s *retyped) Plan(context.Context, engine.Goal) (engine.Plan, error) {
	is, err := s.Settings.InstanceType(s.title)
	if err != nil || is == s.instanceType {
		return engine.Plan{}, err
	}
	return engine.Plan{Changes: []engine.Change{{
		Action: engine.ActionUpdate, Object: s.Settings.File(), Detail: fmt.Sprintf("instance type of %s: %s → %s", s.title, is, s.instanceType),
	}}}, nil
}

func (s *retyped) Apply(context.Context, engine.Reporter) error {
	is, err := s.Settings.InstanceType(s.title)
	if err != nil || is == s.instanceType {
		return err
	}
	return s.Settings.SetInstanceType(s.title, s.instanceType)
}

// deleted is the old groups gone.
type deleted struct{ replacement }

func (s *deleted) Plan(ctx context.Context, _ engine.Goal) (engine.Plan, error) {
	old, err := s.remaining(ctx)
	var plan engine.Plan
	for _, group := range old {
		plan.Changes = append(plan.Changes, engine.Change{Action: engine.ActionDelete, Object: "node group " + group.Name, Detail: typesOf(group)})
	}
	return plan, err
}

func (s *deleted) Apply(ctx context.Context, report engine.Reporter) error {
	for {
		old, err := s.remaining(ctx)
		if err != nil || len(old) == 0 {
			return err
		}
		for _, group := range old {
			if err := s.EKS.DeleteNodeGroup(ctx, group.Name); err != nil {
				return err
			}
		}
		report.Report(engine.Update{Kind: engine.UpdateWaiting, Message: "the old node group of " + s.title + " to be deleted", Usually: nodeUsually})
		if err := s.sleep(ctx); err != nil {
			return err
		}
	}
}
